"""Files of a router that its boot reads: sysctl.d, and what unit files start. Pure."""


def parse_sysctl(text: str) -> dict[str, str]:
    """key = value lines of a sysctl.d file."""
    pairs = (
        line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith(("#", ";"))
    )
    return {key.strip().lstrip("-").replace("/", "."): value.strip() for key, value in pairs}


def exec_start(unit: str) -> list[list[str]]:
    """The ExecStart lines of a unit file as argument lists; none of a unit that is for some boots only."""
    always = "\nConditionKernelCommandLine=" not in unit
    lines = [
        row.strip().partition("=")[2] for row in unit.splitlines() if always and row.strip().startswith("ExecStart=")
    ]
    return [line.lstrip("-@+!").split() for line in lines if line]
