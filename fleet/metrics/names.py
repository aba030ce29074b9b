"""Every metric that Slipway shows: its name, what kind it is, by what it is parted, and what it says."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True)
class Metric:
    """One metric. `labels`: few values each, known beforehand: states, outcomes; never a name of a device."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()


_G, _C = Kind.GAUGE, Kind.COUNTER
METRICS = tuple(
    Metric(*row)
    for row in (
        ("slipway_engine_last_tick_timestamp_seconds", _G, "When the engine last ticked; 0: never."),
        ("slipway_tick_lag_seconds", _G, "How long ago the engine last ticked. More than 15: it stands still."),
        ("slipway_changes", _G, "Changes in each state.", ("state",)),
        ("slipway_targets", _G, "Devices of changes that run or are paused, by state.", ("state",)),
        ("slipway_engaged_devices", _G, "Devices that some change has in its hands."),
        ("slipway_drained_devices", _G, "Devices whose traffic some change has taken off."),
        ("slipway_stuck_devices", _G, "Devices that need a person, and that nobody has taken over."),
        ("slipway_held_runs", _G, "Runs in which nothing more happens for now, and that say why."),
        ("slipway_overdue_steps", _G, "Steps that were due a minute ago and that no worker has begun."),
        ("slipway_rollbacks_total", _C, "Devices that were rolled back."),
        ("slipway_stuck_total", _C, "Devices that became stuck."),
        ("slipway_events_total", _C, "Events that were written."),
        ("slipway_break_glass_unreviewed", _G, "Emergencies that no second person has looked at."),
        ("slipway_webhook_backlog", _G, "Webhook deliveries that are still tried."),
        ("slipway_webhook_oldest_seconds", _G, "How long the oldest of these has waited; 0: none waits."),
        ("slipway_webhook_dead_letters", _G, "Webhook deliveries that were given up."),
        ("slipway_notices_waiting", _G, "Notices to customers that are not sent yet."),
        ("slipway_messages_waiting", _G, "Messages to chat and mail that are not taken yet."),
        ("slipway_messages_given_up", _G, "Messages and notices of the last 30 days that nobody took."),
        ("slipway_devices", _G, "Devices in the inventory."),
        ("slipway_drift_settings", _G, "Settings of devices that are not as wanted."),
        ("slipway_provider_maintenances", _G, "Announcements of providers that are not over."),
        ("slipway_scrape_seconds", _G, "How long these figures took."),
    )
)
BY_NAME = {metric.name: metric for metric in METRICS}
