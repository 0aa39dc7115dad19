"""Telling people that a run failed: in the log, to a webhook, by e-mail; which of them, the environment says.

    ARGN_ALERT_WEBHOOK  URL that a JSON document is posted to; its `text` is what chat services show
    ARGN_ALERT_EMAIL    addresses, with commas between them
    ARGN_SMTP           smtp://user:password@host:port, or smtps://; for e-mail
    ARGN_UI_URL         where the UI is, for links                           http://localhost:3000

The message of an error never holds values of people's data, unless ARGN_SHOW_VALUES=1.
"""

from __future__ import annotations

import json
import os
import smtplib
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import dagster as dg

from argn_assets.errors import ConfigError

SECONDS_TO_ANSWER = 10.0
MOST_CHARACTERS = 2000  # of a message that is sent
LOSSES = ("train/validation_loss", "train/training_loss")


@dataclass(frozen=True, kw_only=True)
class RunFailure:
    """What people want to know of a failed run.

    Attributes:
        dataset: the data set; empty where the run is not of one.
        asset: the step that failed; empty where the run as a whole did.
        message: why.
        last_loss: the last loss that its training reported, nats per row; None where none was.
        link: the run's page.
    """

    dataset: str
    run_id: str
    asset: str
    message: str
    last_loss: float | None
    link: str

    @property
    def text(self) -> str:
        """Return one line for people."""
        what = self.dataset or "a run"
        where = f" at {self.asset}" if self.asset else ""
        loss = "" if self.last_loss is None else f" Last loss: {self.last_loss:.4f}."
        return f"{what} failed{where}: {self.message}{loss} {self.link}"


def run_failure(instance: dg.DagsterInstance, run: dg.DagsterRun, event: dg.DagsterEvent) -> RunFailure:
    """Return what there is to tell about a failed run."""
    dataset = run.tags.get("dagster/partition", "")
    asset, message = _cause(instance, run, event)
    url = os.environ.get("ARGN_UI_URL") or "http://localhost:3000"
    return RunFailure(
        dataset=dataset,
        run_id=run.run_id,
        asset=asset,
        message=message if len(message) <= MOST_CHARACTERS else f"{message[:MOST_CHARACTERS]} …",
        last_loss=_last_loss(instance, run.run_id, dataset),
        link=f"{url.rstrip('/')}/runs/{run.run_id}",
    )


def send_everywhere(failure: RunFailure) -> None:
    """Send a failure to every place that the environment names.

    Raises:
        ConfigError: a place did not take it, or cannot be understood; the others were tried all the same.
    """
    channels: Mapping[str, Callable[[str, RunFailure], None]] = {
        "ARGN_ALERT_WEBHOOK": post,
        "ARGN_ALERT_EMAIL": send_email,
    }
    problems = []
    for variable, send in channels.items():
        place = os.environ.get(variable)
        if place:
            try:
                send(place, failure)
            except (OSError, ValueError, smtplib.SMTPException, ConfigError) as error:
                # The place itself is not repeated: webhooks hold their secret in the address.
                problems.append(f"The place that {variable} names did not take the alert: {error}")
    if problems:
        raise ConfigError(" ".join(problems))


def post(url: str, failure: RunFailure) -> None:
    """Post a failure as JSON: `text` for people, and every field.

    Raises:
        ConfigError: the address is none of the web's.
        OSError: nobody answers, or the answer is an error.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError("a webhook begins with http:// or https://.")
    document = json.dumps({"text": failure.text, **asdict(failure)}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "argn-assets"}
    request = urllib.request.Request(url, data=document, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER):
        pass


def send_email(addresses: str, failure: RunFailure) -> None:
    """Send a failure as one e-mail through the server that `ARGN_SMTP` names.

    Raises:
        ConfigError: no server is named.
        OSError, smtplib.SMTPException: the server is away, or refuses.
    """
    server = urlsplit(os.environ.get("ARGN_SMTP") or "")
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise ConfigError("e-mail needs ARGN_SMTP, such as smtp://user:password@mail.example.org:587.")
    mail = EmailMessage()
    mail["Subject"] = f"{failure.dataset or 'A run'} failed"
    mail["From"] = unquote(server.username) if server.username and "@" in server.username else "argn@localhost"
    mail["To"] = addresses
    mail.set_content(f"{failure.text}\n")
    connect = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
    with connect(server.hostname, server.port or 0, timeout=SECONDS_TO_ANSWER) as connection:
        if server.username and server.password:
            if server.scheme == "smtp":
                connection.starttls()
            connection.login(unquote(server.username), unquote(server.password))
        connection.send_message(mail)


def _cause(instance: dg.DagsterInstance, run: dg.DagsterRun, event: dg.DagsterEvent) -> tuple[str, str]:
    """Return the step that failed first, and why: what it said of itself, else the innermost error."""
    for record in instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records:
        failed = record.event_log_entry.dagster_event
        if failed is None:
            continue
        data = failed.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return failed.step_key or "", data.user_failure_data.description
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return failed.step_key or "", error.message.strip()
    return "", event.message or "The run's log says why."


def _last_loss(instance: dg.DagsterInstance, run_id: str, dataset: str) -> float | None:
    if not dataset:
        return None
    observed = dg.AssetRecordsFilter(asset_key=dg.AssetKey("trained_artifact"), asset_partitions=[dataset])
    for record in instance.fetch_observations(observed, limit=20).records:
        observation = record.asset_observation
        if record.run_id == run_id and observation is not None:
            losses = [observation.metadata[name].value for name in LOSSES if name in observation.metadata]
            if losses and isinstance(losses[0], float):
                return losses[0]
    return None
