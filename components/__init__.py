"""Pulumi components for the parts of the pipeline. Any Pulumi program can use each component alone."""

from ._input_error import InputError
from .alarm_topic import AlarmTopic, AlarmTopicArgs
from .api_gateway_log_role import ApiGatewayLogRole, ApiGatewayLogRoleArgs
from .dashboard_page import DashboardPage, DashboardPageArgs, DashboardSignInArgs
from .dashboard_site import DashboardSite, DashboardSiteArgs
from .data_key import DataKey, DataKeyArgs
from .dead_letter_resync import DeadLetterResync, DeadLetterResyncArgs
from .realtime_pipe import RealtimePipe, RealtimePipeArgs
from .stream_table import SUBMISSION_RECORDS, StreamTable, StreamTableArgs
from .submission_ingest import SubmissionIngest, SubmissionIngestArgs
from .tenant_identity import TenantIdentity, TenantIdentityArgs
from .websocket_gateway import (
    GatewayAccessArgs,
    GatewayConcurrencyArgs,
    GatewayLimitsArgs,
    GatewayPostingArgs,
    WebSocketGateway,
    WebSocketGatewayArgs,
)

__all__ = [
    "StreamTable",
    "StreamTableArgs",
    "SUBMISSION_RECORDS",
    "SubmissionIngest",
    "SubmissionIngestArgs",
    "RealtimePipe",
    "RealtimePipeArgs",
    "DeadLetterResync",
    "DeadLetterResyncArgs",
    "WebSocketGateway",
    "WebSocketGatewayArgs",
    "GatewayAccessArgs",
    "GatewayConcurrencyArgs",
    "GatewayLimitsArgs",
    "GatewayPostingArgs",
    "TenantIdentity",
    "TenantIdentityArgs",
    "DashboardSite",
    "DashboardSiteArgs",
    "DashboardPage",
    "DashboardPageArgs",
    "DashboardSignInArgs",
    "DataKey",
    "DataKeyArgs",
    "AlarmTopic",
    "AlarmTopicArgs",
    "ApiGatewayLogRole",
    "ApiGatewayLogRoleArgs",
    "InputError",
]
