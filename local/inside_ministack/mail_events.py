"""What SES tells the event destinations of a configuration set; MiniStack keeps them, unused.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import json
import threading
import time
from typing import Any

import moved_clock  # type: ignore[import-not-found]  # on PYTHONPATH only inside MiniStack

# SES takes a moment: an event that was there before the sender has its answer would hide mistakes.
DELAY_SECONDS = 0.2
SEND_PATH = "/v2/email/outbound-emails"
OK = 200


def publish(ses: Any, ses_v2: Any, sns: Any) -> None:
    """Let mails that are sent with a configuration set be told of."""
    original = ses_v2.handle_request

    async def handle_request(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        answer = await original(method, path, headers, body, query)
        if method == "POST" and path.rstrip("/") == SEND_PATH and answer[0] == OK:
            _tell(json.loads(body), json.loads(answer[2])["MessageId"])
        return answer

    def _tell(mail: dict[str, Any], message_id: str) -> None:
        # Looked up by the request's own task: which account it is, MiniStack keeps in a context.
        topics = _topics(ses_v2, mail.get("ConfigurationSetName", ""))
        if topics:
            events = _events(ses, mail, message_id)
            thread = threading.Thread(target=_publish, args=(sns, topics, events), daemon=True)
            thread.start()

    ses_v2.handle_request = handle_request


def _topics(ses_v2: Any, configuration_set: str) -> list[tuple[set[str], str]]:
    """The event types that each topic is told of."""
    destinations = ses_v2._config_sets.get(configuration_set, {}).get("EventDestinations", {})  # noqa: SLF001  # no public way
    return [
        (set(destination["MatchingEventTypes"]), destination["SnsDestination"]["TopicArn"])
        for destination in destinations.values()
        if destination["Enabled"] and "SnsDestination" in destination
    ]


def _events(ses: Any, sent: dict[str, Any], message_id: str) -> list[dict[str, Any]]:
    """Send, and for each recipient what the mailbox simulator would make of it."""
    recipients = sent["Destination"].get("ToAddresses", [])
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moved_clock.now()))
    tags = {tag["Name"]: [tag["Value"]] for tag in sent.get("EmailTags", [])}
    mail = {
        "timestamp": at,
        "messageId": message_id,
        "source": sent["FromEmailAddress"],
        "destination": recipients,
        "tags": {"ses:configuration-set": [sent["ConfigurationSetName"]], **tags},
    }
    events: list[dict[str, Any]] = [{"eventType": "Send", "mail": mail, "send": {}}]
    for recipient in recipients:
        local, _, domain = recipient.partition("@")
        outcomes: Any = (("Delivery", None),)
        if domain.lower() == ses._SIMULATOR_DOMAIN:  # noqa: SLF001  # the simulator's own rules
            outcomes = ses._SIMULATOR_OUTCOMES.get(local.lower().partition("+")[0], outcomes)  # noqa: SLF001  # likewise
        for kind, subtype in outcomes:
            detail = ses._notification_detail(kind, recipient, at, subtype)  # noqa: SLF001  # likewise
            events.append({"eventType": kind, "mail": mail, **detail})
    return events


def _publish(sns: Any, topics: list[tuple[set[str], str]], events: list[dict[str, Any]]) -> None:
    time.sleep(DELAY_SECONDS)
    for event in events:
        for types, topic in topics:
            if event["eventType"].upper() in types:
                sns.publish_internal(
                    topic, json.dumps(event), "Amazon SES Email Event Notification"
                )
