"""Every write of deliveries."""

from controlplane.delivery.operations.callbacks import (
    callback_secret,
    cancel_once,
    deliver_once,
    is_listed,
    show_callback_secret,
)
from controlplane.delivery.operations.channels import add_channel, choose_kinds, remove_channel, try_channel
from controlplane.delivery.operations.claims import Job, claim, settle
from controlplane.delivery.operations.endpoints import (
    Issued,
    Wanted,
    create_endpoint,
    delete_endpoint,
    digest_of,
    disable_endpoint,
    edit_endpoint,
    enable_endpoint,
    rotate_secret,
)
from controlplane.delivery.operations.handling import cancel, give_up_old, prune, replay_dead, retry, send_test

__all__ = [
    "Issued",
    "Job",
    "Wanted",
    "add_channel",
    "callback_secret",
    "cancel",
    "cancel_once",
    "choose_kinds",
    "claim",
    "create_endpoint",
    "delete_endpoint",
    "deliver_once",
    "digest_of",
    "disable_endpoint",
    "edit_endpoint",
    "enable_endpoint",
    "give_up_old",
    "is_listed",
    "prune",
    "remove_channel",
    "replay_dead",
    "retry",
    "rotate_secret",
    "send_test",
    "settle",
    "show_callback_secret",
    "try_channel",
]
