"""Names that a stack and a function must both spell; constants only."""

# Environment variables.
STAGE = "STAGE"
JOB_TABLE_NAME = "JOB_TABLE_NAME"
JOB_TABLE_PARAMETER = "JOB_TABLE_PARAMETER"
JOB_TYPE = "JOB_TYPE"
JOB_TYPES_PATH = "JOB_TYPES_PATH"
JOB_LIMITS_PATH = "JOB_LIMITS_PATH"
PAYLOAD_BUCKET_NAME = "PAYLOAD_BUCKET_NAME"
RETENTION_COMPLETED_DAYS = "RETENTION_COMPLETED_DAYS"
RETENTION_FAILED_DAYS = "RETENTION_FAILED_DAYS"
DEAD_LETTER_TOPIC_ARN = "DEAD_LETTER_TOPIC_ARN"
ALERT_TABLE_NAME = "ALERT_TABLE_NAME"
ALERT_QUEUE_URL = "ALERT_QUEUE_URL"
ALERT_RETRY_BASE_SECONDS = "ALERT_RETRY_BASE_SECONDS"
ALERT_RETRY_MAX_SECONDS = "ALERT_RETRY_MAX_SECONDS"
SLACK_SECRET_ARN = "SLACK_SECRET_ARN"  # noqa: S105  # where the secret is, not the secret
RUNBOOK_URL = "RUNBOOK_URL"
MAIL_FROM = "MAIL_FROM"
PENDING_BOUND_SECONDS = "PENDING_BOUND_SECONDS"
CUSTOMER_TABLE_NAME = "CUSTOMER_TABLE_NAME"
INVENTORY_TABLE_NAME = "INVENTORY_TABLE_NAME"
PAYMENT_TABLE_NAME = "PAYMENT_TABLE_NAME"
SHIPMENT_TABLE_NAME = "SHIPMENT_TABLE_NAME"
VALIDATE_CUSTOMER_ARN = "VALIDATE_CUSTOMER_ARN"
CHECK_INVENTORY_ARN = "CHECK_INVENTORY_ARN"
PROCESS_PAYMENT_ARN = "PROCESS_PAYMENT_ARN"
CREATE_SHIPMENT_ARN = "CREATE_SHIPMENT_ARN"
QUESTION_TABLE_NAME = "QUESTION_TABLE_NAME"
LINK_KEYS = "LINK_KEYS"
LINK_BASE_URL = "LINK_BASE_URL"
MAIL_CONFIGURATION_SET = "MAIL_CONFIGURATION_SET"
MAIL_DOUBT_SECONDS = "MAIL_DOUBT_SECONDS"
REQUEST_TOPIC_ARN = "REQUEST_TOPIC_ARN"
DOCUMENT_BUCKET_NAME = "DOCUMENT_BUCKET_NAME"
ACCOUNT_TABLE_NAME = "ACCOUNT_TABLE_NAME"
DATA_BUCKET_NAME = "DATA_BUCKET_NAME"
DATASET_TABLE_NAME = "DATASET_TABLE_NAME"
ENDPOINTS_PATH = "ENDPOINTS_PATH"
OFF_PEAK_HOUR = "OFF_PEAK_HOUR"
OFF_PEAK_TIME_ZONE = "OFF_PEAK_TIME_ZONE"
BATCH_SHARD_ARN = "BATCH_SHARD_ARN"
BATCH_MAX_WORKERS = "BATCH_MAX_WORKERS"
EXECUTION_HISTORY_DAYS = "EXECUTION_HISTORY_DAYS"

# Read by botocore, which then names the function in the User-Agent of its AWS calls.
APP_ID = "AWS_SDK_UA_APP_ID"

# The alias that everything invokes.
LIVE_ALIAS = "live"

# Key of the table of alerts already told; its entries expire by `expires_at`.
ALERT_KEY = "alert_key"

# Indexes of the job table.
TYPE_INDEX = "by-type"
OPEN_INDEX = "open-jobs"

# Keys of the tables that hold records of several kinds: orders, questions, accounts.
ITEM_KEY = "pk"
ITEM_SORT_KEY = "sk"
# The index that finds reservations to expire.
HELD_INDEX = "held-reservations"
HELD_BUCKET = "held_bucket"
HELD_UNTIL = "held_until"


def parameter_root(stage: str) -> str:
    """Where a stage publishes what a producer or an operator needs to find."""
    return f"/durable-jobs/{stage}"


def job_table_parameter(stage: str) -> str:
    return f"{parameter_root(stage)}/job-table"


def question_table_parameter(stage: str) -> str:
    return f"{parameter_root(stage)}/question-table"


def payload_bucket_parameter(stage: str) -> str:
    return f"{parameter_root(stage)}/payload-bucket"


def data_bucket_parameter(stage: str) -> str:
    return f"{parameter_root(stage)}/data-bucket"


def endpoints_path(stage: str) -> str:
    """Below it, one parameter per HTTP endpoint that operators let jobs read from or call."""
    return f"{parameter_root(stage)}/endpoints"


def job_types_path(stage: str) -> str:
    """Below it, one parameter per job type holds the ARN of its alias."""
    return f"{parameter_root(stage)}/job-types"


def job_limits_path(stage: str) -> str:
    """Below it, one parameter per job type holds its limits as JSON."""
    return f"{parameter_root(stage)}/job-limits"
