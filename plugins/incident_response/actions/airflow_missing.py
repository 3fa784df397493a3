"""The words for what is missing or not allowed: a connection, a setting, a module, a table, a permission.

No clear helps there. What may come back by itself (refused and reset connections, 429, 5xx, a name server
that does not answer) is in none of them.
"""

from __future__ import annotations

import re

_THING = (
    r"(?:relation|table(?: or view)?|view|column|schema|database|catalog|role|user|function|type|sequence"
    r"|object|extension|bucket|topic|queue|dataset|project|secret|stage|warehouse|repository|(?:log )?group"
    r"|conn_?id|variable|pool|dag(?: id)?)"
)
_SETTING = (
    r"(?:api.?key|access.?key|secret(?:.?key)?|token|password|credentials?|username|hostname|dsn|base.?url)"
)
_NAME = r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b"  # of an environment variable
_UNSET = (
    r"(?:must|has to|have to|needs? to|should) be (?:set|defined|configured|provided)"
    r"|(?:(?:is|was|are|has|have) ?(?:not|n.t) (?:been )?|not )"
    r"(?:set|defined|configured|provided|found|given)\b"
    r"|(?:is|are) (?:missing|required|unset|empty)\b"
)

AIRFLOW = (
    r"conn_?id\W+\S+ (?:isn.t|is not) defined",
    r"(?:CONNECTION|VARIABLE)_NOT_FOUND",
    r"AirflowNotFoundException",
    r"variable \S+ does not exist",
    r"AirflowConfigException|not found in config",
    r"DagNotFound|Dag id \S+ not found",
    r"unknown hook type",
    r"\bmissing (?:the )?(?:required )?(?:host(?:name)?|login|password|schema|extra|connection|variable)\b",
)
SETTINGS = (
    rf"\b{_SETTING}\b\W{{0,3}}(?:{_UNSET})",
    rf"(?:environment|env\.?|airflow) variables?\b[^.]{{0,80}}?(?:{_UNSET})",
    r"(?:missing|required|undefined|unset|set the|provide an?) (?:\w+ ){0,2}?(?:environment|env)\W?var",
    r"\bmust be (?:set|configured|provided)\b|\b(?:is|are) not (?:set|configured)\b",
    rf"\bmissing (?:required )?(?:configuration|config|setting|{_SETTING})\b",
    r"validation errors? for \w*(?:Settings|Config)",
    r"could not find (?:\w+ )?(?:configuration|credentials)|\bnot configured\b",
)
MODULES = (
    r"No module named",
    r"Missing optional dependency|Unable to find a usable engine",
    r"ImportError: .*(?:not installed|pip install|cannot open shared object)",
    r"Can.t load plugin",
    r"TemplateNotFound",
    r"command not found|executable file not found|\bexit (?:code|status) 12[67]\b",
    r"^\W*(?:[\w.]+\.)?FileNotFoundError: .*(?:"
    r"\.(?:env|ya?ml|json|ini|cfg|conf|toml|pem|key|crt|p8|p12|properties)\b"
    r"|[/_.-](?:config|conf|secrets?|credentials)\b|directory: '[\w.+-]+'$)",
)
TABLES = (
    rf"\b{_THING}\b.{{0,120}}?\b(?:does not|doesn.t) exist",
    r"no such (?:table|column|function)\b|unknown (?:column|database|table)\b",
    r"Undefined(?:Table|Column|Function|Object)\b",
    r"ORA-00942|ORA-00904|TABLE_OR_VIEW_NOT_FOUND|UNRESOLVED_COLUMN|invalid (?:object|column) name",
    r"not found: (?:table|dataset|project|bucket|view)\b",
    r"NoSuchBucket|NoSuchKey|ResourceNotFoundException|QueueDoesNotExist|can.t find the specified secret",
    r"channel_not_found|manifest (?:unknown|for \S+ not found)|No such image",
    r"No active warehouse selected",
)
PERMISSION = (
    r"permission denied|PermissionError|access ?denied",
    r"InsufficientPrivilege|insufficient privileges?|ORA-01031",
    r"not authorized to perform|(?:does not|doesn.t) have (?:\S+ ){0,4}?(?:permission|privilege|access)",
    r"authentication failed|authentication error|failed to authenticate|login failed for user|ORA-01017",
    r"(?:incorrect|invalid|bad) (?:username|user name|credentials|token|api.?key|client secret|password)",
    r"invalid_(?:auth|grant|client)|not_authed|token_(?:revoked|expired)|missing_scope|account_inactive",
    r"NoCredentialsError|Unable to locate credentials|NoRegionError|must specify a region",
    r"DefaultCredentialsError|credentials (?:were|was) not found|automatically determine credentials",
    r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|UnrecognizedClient|InvalidClientTokenId",
    r"not found in known_hosts|no pg_hba\.conf entry|CERTIFICATE_VERIFY_FAILED|certificate verify failed",
)
_ANY = re.compile(
    "|".join(f"(?:{one})" for one in (*AIRFLOW, *SETTINGS, *MODULES, *TABLES, *PERMISSION)), re.IGNORECASE
)
# Here case matters: `job_id is not found` names no environment variable.
_VARIABLE = re.compile(rf"{_NAME}\W{{0,3}}(?i:{_UNSET})|KeyError: ['\"]{_NAME}['\"]")


def names_missing(line: str) -> bool:
    """True when a line says that something is missing, not set or not allowed."""
    return _VARIABLE.search(line) is not None or _ANY.search(line) is not None
