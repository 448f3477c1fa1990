"""Datasets: pipelines that move one as a whole, and batches that process it record by record."""

from typing import Any

from aws_cdk import ArnFormat, CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from functions.shared import names
from stacks.constructs.data_bucket import DATASETS, INCOMING, RESULTS, WORK, DataBucket
from stacks.constructs.durable_function import DurableFunction
from stacks.constructs.durable_job import DurableJob
from stacks.constructs.function_bundle import function_bundle
from stacks.constructs.service_table import ServiceTable
from stacks.jobs_stack import JobsStack
from stacks.stages import Stage

# A source may ask for long pauses, and the off-peak hour may be a day away.
PIPELINE_TIMEOUT = Duration.days(3)
# Whoever is called may ask for hours of patience.
BATCH_TIMEOUT = Duration.days(1)
# "Tonight" and "on Sunday" are usual times for data to be moved.
MAX_DELAY = Duration.days(7)
# A chunk, or a part, is done within one invocation.
INVOCATION_TIMEOUT = Duration.minutes(15)
# One whole processor: records are parsed and checked in one thread of Python.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MEMORY_MIB = 1769
# A Parquet file is read from /tmp, because its index is at its end.
PIPELINE_TEMPORARY_MIB = 4096


class PipelinesStack(Stack):
    """The bucket and the table of datasets, the two job types, and the workers of large batches."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        jobs: JobsStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._stage = stage
        self._platform = jobs.platform
        self._bundle = function_bundle(self, "pipelines", stage)
        self._operators = iam.ManagedPolicy(
            self,
            "OperatorPolicy",
            description="Look at pipelines and batches, plan a batch, stop them and their shards",
        )
        self._other_buckets = [
            s3.Bucket.from_bucket_name(self, f"Source-{name}", name)
            for name in stage.source_buckets
        ]
        self.data = DataBucket(self, "Data", stage=stage)
        self.datasets = ServiceTable(self, "Datasets", stage=stage)
        ssm.StringParameter(
            self,
            "DataBucketParameter",
            parameter_name=names.data_bucket_parameter(stage.name),
            string_value=self.data.name,
        )

        self.data_pipeline = self._data_pipeline()
        self.batch_shard = self._batch_shard()
        self.batch_processing = self._batch_processing()
        self.job_types = [self.data_pipeline, self.batch_processing]

        self._producers()
        self._let_operators_plan()
        CfnOutput(self, "DataBucketName", value=self.data.name)
        CfnOutput(self, "DatasetTableName", value=self.datasets.name)

    def _data_pipeline(self) -> DurableJob:
        job = self._job(
            "DataPipeline",
            "data-pipeline",
            run_timeout=PIPELINE_TIMEOUT,
            temporary_mib=PIPELINE_TEMPORARY_MIB,
            environment={
                names.OFF_PEAK_HOUR: str(self._stage.off_peak_hour),
                names.OFF_PEAK_TIME_ZONE: self._stage.time_zone,
            },
        )
        self._let_read_sources(job.role)
        self.data.grant(job.role, "s3:GetObject", "s3:PutObject", on=(WORK, DATASETS))
        # Rejects and differences are for people: no pipeline reads them.
        self.data.grant(job.role, "s3:PutObject", on=(RESULTS,))
        self._let_join_results(job.role)
        # What was loaded is read again, to be compared with what should have been.
        self.datasets.grant(job.role, "dynamodb:BatchWriteItem", "dynamodb:BatchGetItem")
        return job

    def _batch_shard(self) -> DurableFunction:
        """A worker of a batch too large for one execution; no job of its own."""
        shard = DurableFunction(
            self,
            "BatchShard",
            stage=self._stage,
            name="batch-shard",
            bundle=self._bundle,
            environment={
                names.JOB_TABLE_NAME: self._platform.table.table.table_name,
                **self._where_data_is(),
            },
            execution_timeout=BATCH_TIMEOUT,
            invocation_timeout=INVOCATION_TIMEOUT,
            memory_mib=MEMORY_MIB,
        )
        self._let_process(shard.role)
        # The progress of its job, on the condition that it is still this run's.
        self._platform.table.grant(shard.role, "dynamodb:UpdateItem")
        return shard

    def _batch_processing(self) -> DurableJob:
        job = self._job(
            "BatchProcessing",
            "batch-processing",
            run_timeout=BATCH_TIMEOUT,
            environment={
                names.BATCH_SHARD_ARN: self.batch_shard.alias.function_arn,
                names.BATCH_MAX_WORKERS: str(self._stage.batch_max_workers),
                names.EXECUTION_HISTORY_DAYS: str(self._stage.execution_history.to_days()),
            },
            # What `jobctl plan` reckons with, besides the memory.
            published={
                "max_workers": self._stage.batch_max_workers,
                "history_days": int(self._stage.execution_history.to_days()),
            },
        )
        self._let_process(job.role)
        self._let_join_results(job.role)
        # The function's ARN and all its qualifiers, as AWS asks for chained invokes.
        # https://docs.aws.amazon.com/lambda/latest/dg/durable-security.html
        self.batch_shard.function.grant_invoke(job.role)
        return job

    def _let_process(self, role: iam.IRole) -> None:
        """Read a dataset or a table's key range, process records, keep what became of them."""
        self._let_read_sources(role)
        # A batch may also read what an earlier job left: what was loaded, or its failed records.
        self.data.grant(role, "s3:GetObject", on=(DATASETS,))
        self.data.grant(role, "s3:GetObject", "s3:PutObject", on=(RESULTS,))
        self.datasets.grant(role, "dynamodb:BatchWriteItem", "dynamodb:Query")

    def _let_join_results(self, role: iam.IRole) -> None:
        """Take back the upload of a long file that came to nothing, which costs until then."""
        self.data.grant(role, "s3:AbortMultipartUpload", on=(RESULTS,))

    def _let_read_other_buckets(self, grantee: iam.IGrantable) -> None:
        for bucket in self._other_buckets:
            iam.Grant.add_to_principal(
                grantee=grantee,
                actions=["s3:GetObject"],
                resource_arns=[bucket.arn_for_objects("*")],
            )
            iam.Grant.add_to_principal(
                grantee=grantee, actions=["s3:ListBucket"], resource_arns=[bucket.bucket_arn]
            )

    def _let_read_sources(self, role: iam.IRole) -> None:
        """Read what was brought, what other buckets have, and from and to whom calls go."""
        self.data.grant(role, "s3:GetObject", on=(INCOMING,))
        self.data.grant_list(role)
        self._let_read_other_buckets(role)
        # Both are made by hand: an endpoint is named by operators, not by a stack.
        endpoints = names.endpoints_path(self._stage.name).removeprefix("/")
        iam.Grant.add_to_principal(
            grantee=role,
            actions=["ssm:GetParameter"],
            resource_arns=[
                self.format_arn(service="ssm", resource="parameter", resource_name=f"{endpoints}/*")
            ],
        )
        iam.Grant.add_to_principal(
            grantee=role,
            actions=["secretsmanager:GetSecretValue"],
            resource_arns=[
                self.format_arn(
                    service="secretsmanager",
                    resource="secret",
                    resource_name=f"{endpoints}/*",
                    arn_format=ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
        )

    def _producers(self) -> None:
        """What an application needs besides submitting: to bring datasets, to fetch what came."""
        producers = iam.ManagedPolicy(
            self, "ProducerPolicy", description="Bring datasets and fetch what was made of them"
        )
        self.data.grant(producers, "s3:PutObject", on=(INCOMING,))
        self.data.grant(producers, "s3:GetObject", on=(RESULTS, DATASETS))
        CfnOutput(self, "ProducerPolicyArn", value=producers.managed_policy_arn)

    def _let_operators_plan(self) -> None:
        """Let `jobctl plan` take a sample of any dataset, and `jobctl stop` end shards too."""
        self.batch_shard.grant_operate(self._operators)
        self.data.grant(self._operators, "s3:GetObject", on=(INCOMING, RESULTS, DATASETS))
        self.data.grant_list(self._operators)
        self._let_read_other_buckets(self._operators)
        CfnOutput(self, "OperatorPolicyArn", value=self._operators.managed_policy_arn)

    def _where_data_is(self) -> dict[str, str]:
        return {
            names.DATA_BUCKET_NAME: self.data.name,
            names.DATASET_TABLE_NAME: self.datasets.name,
            names.ENDPOINTS_PATH: names.endpoints_path(self._stage.name),
        }

    def _job(
        self,
        construct_id: str,
        job_type: str,
        *,
        run_timeout: Duration,
        environment: dict[str, str],
        temporary_mib: int | None = None,
        published: dict[str, int] | None = None,
    ) -> DurableJob:
        return DurableJob(
            self,
            construct_id,
            stage=self._stage,
            job_type=job_type,
            bundle=self._bundle,
            platform=self._platform,
            operators=self._operators,
            run_timeout=run_timeout,
            max_delay=MAX_DELAY,
            invocation_timeout=INVOCATION_TIMEOUT,
            memory_mib=MEMORY_MIB,
            temporary_mib=temporary_mib,
            environment={**self._where_data_is(), **environment},
            published=published,
        )
