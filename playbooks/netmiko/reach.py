"""A netmiko connection with a checked host key, and what may go wrong on it. It reads prompts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from netmiko import ConnectHandler
from netmiko.exceptions import (
    ConfigInvalidException,
    ConnectionException,
    NetmikoAuthenticationException,
    NetmikoBaseException,
    NetmikoTimeoutException,
    ReadException,
    ReadTimeout,
    WriteException,
)

from fleet.core.model import Reason
from playbooks import cli_login, deadlines, either_address
from playbooks.base import Device, HostKeyRefused, LoginRefused, Refused, Unreachable, Unsure

_CONNECT_S = 15.0
_SHOWN = 300


@contextmanager
def opened(device: Device, device_type: str, *, answer_s: float) -> Iterator["Cli"]:
    """The device's command line. Raises HostKeyRefused, LoginRefused, Unreachable; nothing was sent then."""
    with cli_login.login(device) as (password, options):
        options |= {"username": device.username, "password": password, "read_timeout_override": answer_s}

        def attempt(address: str, seconds: float) -> Any:
            return _connected(device, address, seconds, {**options, "device_type": device_type})

        connection = either_address.reached(device, attempt, timeout_s=_CONNECT_S)
        try:
            yield Cli(device, connection)
        finally:
            connection.disconnect()


def _connected(device: Device, address: str, seconds: float, options: dict[str, Any]) -> Any:
    try:
        return ConnectHandler(
            host=address, conn_timeout=seconds, auth_timeout=seconds, banner_timeout=seconds, **options
        )
    except NetmikoAuthenticationException as error:
        raise LoginRefused(_why(device, error, "a login")) from error
    except (NetmikoTimeoutException, ConnectionException, ReadTimeout, OSError) as error:
        if "known_hosts" in str(error) or "host key" in str(error).lower():
            remedy = "If the device was reinstalled, compare the fingerprint on its console and record the new key."
            raise HostKeyRefused(_why(device, error, "the recorded host key", remedy)) from error
        raise Unreachable(_why(device, error, "a connection")) from error


class Cli:
    """One open command line. Whatever is lost after something was entered is Unsure."""

    def __init__(self, device: Device, connection: Any) -> None:
        self._device, self._connection = device, connection

    def show(self, command: str) -> str:
        return self._said(lambda: self._connection.send_command(command))

    def enter(self, lines: Sequence[str], *, refused: str) -> str:
        """Enter lines in configuration mode; the first that the device says no to ends it. Raises Refused, Unsure."""
        return self._said(lambda: self._connection.send_config_set(list(lines), error_pattern=refused))

    def say(self, lines: Sequence[str]) -> str:
        """Enter lines in exec mode, without waiting for a prompt: some ask whether one is sure."""
        return "\n".join(
            self._said(lambda line=line: self._connection.send_command_timing(line, last_read=1.0)) for line in lines
        )

    def save(self) -> None:
        try:
            self._said(lambda: self._connection.save_config())
        except NotImplementedError:  # what is entered there is kept at once (RouterOS)
            return

    def _said(self, ask: Any) -> str:
        deadlines.refuse_late(f"command line of {self._device.name}")
        try:
            return str(ask())
        except ConfigInvalidException as error:
            raise Refused(_why(self._device, error, "lines that the device takes")) from error
        except (ReadTimeout, ReadException, WriteException, NetmikoBaseException, OSError, EOFError) as error:
            raise Unsure(_why(self._device, error, "an answer")) from error


def _why(device: Device, error: Exception, wanted: str, remedy: str = "") -> Reason:
    said = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
    return Reason(f"command line of {device.name}", said, wanted, remedy)
