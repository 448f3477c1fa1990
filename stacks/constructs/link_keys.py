"""The keys that sign the links by which people answer; they never leave KMS."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.stages import Stage


class LinkKeys(Construct):
    """The key that signs now, and the one before it, which still opens what it has signed.

    KMS has no rotation for keys of this kind, so that a new one is another resource.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        current = stage.link_key_generation
        self._keys = {
            generation: kms.Key(
                self,
                # By its generation: the key of this one must stay the same resource when the
                # next one comes.
                f"Generation{generation}",
                description=f"Signs the links of generation {generation} ({stage.name})",
                key_spec=kms.KeySpec.HMAC_256,
                key_usage=kms.KeyUsage.GENERATE_VERIFY_MAC,
                removal_policy=stage.removal_policy,
            )
            for generation in (current - 1, current)
            if generation > 0
        }
        self.current = self._keys[current]

    def as_environment(self) -> str:
        """The ARN of each key by its generation, as JSON."""
        return Stack.of(self).to_json_string(
            {str(generation): key.key_arn for generation, key in self._keys.items()}
        )

    def grant_sign(self, signer: iam.IRole) -> None:
        """Let this function's role make links, and nobody else in the account.

        A key's policy lets the account's administrators give such rights away; whoever can sign
        can answer for everybody.
        """
        self.current.grant(signer, "kms:GenerateMac")
        for key in self._keys.values():
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    sid="NobodyElseSigns",
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["kms:GenerateMac"],
                    resources=["*"],
                    conditions=(
                        {"ArnNotEquals": {"aws:PrincipalArn": signer.role_arn}}
                        if key is self.current
                        else None
                    ),
                )
            )

    def grant_verify(self, reader: iam.IRole) -> None:
        """Let a function's role see whether a link is one of ours."""
        iam.Grant.add_to_principal(
            grantee=reader,
            actions=["kms:VerifyMac"],
            resource_arns=[key.key_arn for key in self._keys.values()],
        )
