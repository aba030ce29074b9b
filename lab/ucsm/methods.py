"""The methods of the XML API: one request element in, one answer element out."""

import threading
from collections.abc import Callable
from xml.etree import ElementTree as ET

from lab.ucsm.blades import Blades, config_of, details, maintenance_of
from lab.ucsm.commit import NotTaken, written
from lab.ucsm.sessions import Refused, Sessions
from lab.ucsm.tree import Node, Tree, matches


class Api:
    """A domain as its clients see it. Not two requests at once: `lock` is held through each."""

    def __init__(self, tree: Tree, blades: Blades, sessions: Sessions) -> None:
        self.tree, self.blades, self.sessions = tree, blades, sessions
        self.lock = threading.RLock()
        self.changed: Callable[[str], None] = lambda dn: None
        self._methods: dict[str, Callable[[ET.Element, ET.Element], None]] = {
            "configResolveDn": self._resolve_dn,
            "configResolveDns": self._resolve_dns,
            "configResolveClass": self._resolve_class,
            "configResolveChildren": self._resolve_children,
            "configConfMos": self._commit,
            "configConfMo": self._commit,
            "configEstimateImpact": self._estimate,
        }

    @property
    def version(self) -> str:
        return self.tree["sys/mgmt/fw-system"].props["version"]

    def answer(self, text: bytes) -> ET.Element:
        """The answer to a request; errors are attributes of it. Never raises."""
        try:
            request = ET.fromstring(text)
        except ET.ParseError as error:
            return _unparsable(f"XML PARSING ERROR: {error}", "")
        made = ET.Element(request.tag, {"cookie": request.get("cookie", ""), "response": "yes"})
        with self.lock:
            self.blades.advance()
            try:
                if request.tag.startswith("aaa"):
                    return self._session(request, made)
                if request.tag not in self._methods:
                    return _unparsable(f"XML PARSING ERROR: no such method {request.tag}", request.get("cookie", ""))
                self.sessions.check(request.get("cookie", ""))
                self._methods[request.tag](request, made)
            except Refused as no:
                return _error(made, no.code, str(no), no.result)
            except (NotTaken, ValueError) as no:
                return _error(made, getattr(no, "code", "150"), str(no))
            return made

    def _session(self, request: ET.Element, made: ET.Element) -> ET.Element:
        made.set("cookie", "")
        match request.tag:
            case "aaaLogin":
                cookie = self.sessions.login(request.get("inName", ""), request.get("inPassword", ""))
            case "aaaRefresh":
                who = request.get("inName", ""), request.get("inPassword", "")
                cookie = self.sessions.refresh(request.get("inCookie", ""), *who)
            case "aaaLogout":
                self.sessions.logout(request.get("inCookie", ""))
                made.set("outStatus", "success")
                return made
            case _:
                return _unparsable(f"XML PARSING ERROR: no such method {request.tag}", "")
        made.attrib |= {
            "outCookie": cookie, "outRefreshPeriod": str(int(self.sessions.refresh_s)), "outPriv": "admin,read-only",
            "outDomains": "org-root", "outChannel": "noencssl", "outEvtChannel": "noencssl", "outSessionId": "",
            "outVersion": self.version, "outName": "admin",
        }  # fmt: skip
        return made

    def _resolve_dn(self, request: ET.Element, made: ET.Element) -> None:
        made.set("dn", request.get("dn", ""))
        out = ET.SubElement(made, "outConfig")
        if node := self.tree.get(request.get("dn", "")):
            out.append(self.tree.element(node, deep=_deep(request)))

    def _resolve_dns(self, request: ET.Element, made: ET.Element) -> None:
        out, missing = ET.SubElement(made, "outConfigs"), ET.SubElement(made, "outUnresolved")
        for one in request.iterfind("inDns/dn"):
            dn = one.get("value", "")
            if node := self.tree.get(dn):
                out.append(self.tree.element(node, deep=_deep(request)))
            else:
                ET.SubElement(missing, "dn", value=dn)

    def _resolve_class(self, request: ET.Element, made: ET.Element) -> None:
        cls = request.get("classId", "")
        made.set("classId", cls)
        rules = request.find("inFilter")
        found = [n for n in self.tree.of_class(cls) if rules is None or all(matches(n, rule) for rule in rules)]
        self._list(request, made, found)

    def _resolve_children(self, request: ET.Element, made: ET.Element) -> None:
        cls = request.get("classId", "")
        made.set("classId", cls)
        self._list(request, made, list(self.tree.children(request.get("inDn", ""), cls)))

    def _list(self, request: ET.Element, made: ET.Element, found: list[Node]) -> None:
        out = ET.SubElement(made, "outConfigs")
        out.extend(self.tree.element(node, deep=_deep(request)) for node in found)

    def _commit(self, request: ET.Element, made: ET.Element) -> None:
        configs = request.find("inConfigs")
        if configs is None:
            raise NotTaken("ERR-xml-parse-error", "no inConfigs")
        written(self.tree.copy(), configs, self.version)  # whole or not at all: a rehearsal first
        done = written(self.tree, configs, self.version)
        self.blades.done.append((self.blades.clock(), "commit", " ".join(dn for dn, _ in done)))
        out = ET.SubElement(made, "outConfigs")
        for pair in configs.findall("pair"):
            out.append(pair)
        self.blades.settle(acknowledged=self._acknowledged(done))
        for dn, element in done:
            if element.tag == "lsPower" and element.get("state") == "admin-up":
                self.blades.power_up(self.tree[dn.removesuffix("/power")])
            self.changed(dn)

    def _acknowledged(self, done: list[tuple[str, ET.Element]]) -> frozenset[str]:
        """Profiles whose pending reboot was acknowledged by this commit; what is discarded is pending no more."""
        profiles = set()
        for dn, element in done:
            if element.tag != "lsmaintAck":
                continue
            profile = dn.removesuffix("/ack")
            match element.get("adminState"):
                case "trigger-immediate" | "trigger":
                    profiles.add(profile)
                    self.blades.done.append((self.blades.clock(), "acknowledged", self.tree[profile].props["name"]))
                case "user-discard":
                    self.blades.deployed[profile] = config_of(self.tree, self.tree[profile])
        return frozenset(profiles)

    def _estimate(self, request: ET.Element, made: ET.Element) -> None:
        """Who would have to reboot, and when, if this were committed."""
        configs = request.find("inConfigs")
        tree = self.tree.copy()
        if configs is not None:
            written(tree, configs, self.version)
        names = ("outAckables", "outAffected", "outOldAckables", "outOldAffected")
        ackables, affected, old_ackables, old_affected = (ET.SubElement(made, name) for name in names)
        for profile in tree.of_class("lsServer"):
            if not profile.props.get("pnDn") or config_of(tree, profile) == self.blades.deployed[profile.dn]:
                continue
            maintenance = maintenance_of(tree, profile)
            mode = maintenance.props["uptimeDisr"] if maintenance else "immediate"
            pending = self.blades.pending(profile) is not None
            changed = details(config_of(tree, profile), self.blades.deployed[profile.dn])
            for out, disruption in ((ackables, "up-time"), (old_ackables, "up-time" if pending else "")):
                pair = ET.SubElement(out, "pair", key=f"{profile.dn}/ack")
                ET.SubElement(
                    pair, "lsmaintAck", dn=f"{profile.dn}/ack", deploymentMode=mode, disr=disruption, configIssues="",
                    changes="networking", changeDetails=",".join(changed), operState="waiting-for-user",
                )  # fmt: skip
            for out, node in ((affected, profile), (old_affected, self.tree[profile.dn])):
                ET.SubElement(out, "pair", key=profile.dn).append(tree.element(node))
        made.set("outRetry", "0")


def _deep(request: ET.Element) -> bool:
    return request.get("inHierarchical") in {"true", "yes"}


def _error(made: ET.Element, code: str, text: str, result: str = "unidentified-fail") -> ET.Element:
    for child in list(made):
        made.remove(child)
    made.attrib |= {"errorCode": code, "invocationResult": result, "errorDescr": text}
    return made


def _unparsable(text: str, cookie: str) -> ET.Element:
    return ET.Element(
        "error", cookie=cookie, response="yes", errorCode="ERR-xml-parse-error", invocationResult="594", errorDescr=text
    )
