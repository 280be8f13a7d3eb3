"""Engines with one fault each: what somebody in a hurry would have written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from policies.facts import Action, Declared, Subject, Verdict
from tests.policies.properties import Document, Engine, codes, rules
from tests.policies.reference_selectors import CONDITIONS, NoAnswer, sources, tainted_by

Body = dict[str, Any]


class Twin(Engine):
    """Answers for what an agent says by what it answers for the action, as the product does."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.document = document

    def judge(self, who: Subject, said: Declared, now: datetime) -> tuple[Action | None, Verdict]:
        action, verdict = super().judge(who, said, now)
        return action, self.evaluate(who, action, now) if action is not None else verdict


class SilenceIsLeave(Twin):
    """Where no rule has a word to say, it passes."""

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        verdict = super().evaluate(who, action, now)
        return replace(verdict, effect="allow") if codes(verdict) == ["no_rule"] else verdict


class LimitsPermit(Twin):
    """Whatever is under a limit passes, though no rule permits it."""

    def __init__(self, document: Document) -> None:
        def permits(kind: str, body: Body) -> Body | None:
            left = {"units", "per", "by", "amount_over", "provenance"}
            return {key: value for key, value in body.items() if key not in left} if kind == "limit" else None

        allowed = {
            f"{slug}-too": {**policy, "rules": [{"allow": body} for one in policy["rules"] for body in one.values()]}
            for slug, policy in rules(document, permits).items()
        }
        super().__init__({**document, **allowed})


class LeaveWins(Twin):
    """What somebody permits is not forbidden."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.lenient = Engine(rules(document, lambda kind, body: None if kind == "forbid" else body))

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        lenient = self.lenient.evaluate(who, action, now)
        return lenient if lenient.effect == "allow" else super().evaluate(who, action, now)


class ForbidsOpen(Twin):
    """A forbid that matches nothing of the action counts as leave: deny-lists mean that all else may be done."""

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        verdict = super().evaluate(who, action, now)
        forbids = any("forbid" in one for policy in self.document.values() for one in policy["rules"])
        return replace(verdict, effect="allow") if forbids and codes(verdict) == ["no_rule"] else verdict


class FirstThatSpeaks(Twin):
    """The first policy with a word to say decides."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.each = [Engine({slug: policy}) for slug, policy in document.items()]

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        for each in self.each:
            verdict = each.evaluate(who, action, now)
            if codes(verdict) != ["no_rule"]:
                return verdict
        return super().evaluate(who, action, now)


class ShadowIsEnforced(Twin):
    """Forgets the mode."""

    def __init__(self, document: Document) -> None:
        super().__init__({slug: {**one, "mode": "enforce"} for slug, one in document.items()})


class BelievesLabels(Twin):
    """Lets the agent's own labels permit, by taking them for the catalogue's."""

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        known = self.compiled
        spec = known.verbs[action.verb]
        labelled = replace(spec, data_classes=spec.data_classes | action.data_classes)
        self.compiled = replace(known, verbs={**known.verbs, action.verb: labelled})
        try:
            return super().evaluate(who, action, now)
        finally:
            self.compiled = known


class _Reading(Twin):
    """Reads each rule in its own way for the action."""

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        read = rules(self.document, lambda kind, body: self.read(kind, body, (who, action, now)))
        return Engine(read).evaluate(who, action, now)

    def read(self, kind: str, body: Body, asked: tuple[Subject, Action, datetime]) -> Body | None:
        raise NotImplementedError


class BelievesClaims(_Reading):
    """A review that only the agent's claims of provenance make fit permits."""

    def read(self, kind: str, body: Body, asked: tuple[Subject, Action, datetime]) -> Body | None:
        _, action, _ = asked
        if kind != "review" or "provenance" not in body:
            return body
        fits = bool(sources(action.payload, action.provenance, body["provenance"]) & tainted_by(body))
        return {key: value for key, value in body.items() if key != "provenance"} if fits else None


class SkipsWhatFails(_Reading):
    """A condition without an answer counts as one that does not hold."""

    def read(self, _kind: str, body: Body, asked: tuple[Subject, Action, datetime]) -> Body | None:
        who, action, now = asked
        try:
            return body if CONDITIONS[body.get("when", "true")](action, who, now) else None
        except NoAnswer:
            return None


class SkipsWhatObliges(Twin):
    """Leaves out rules with words that it does not know."""

    def __init__(self, document: Document) -> None:
        super().__init__(rules(document, lambda _kind, body: None if "obligations" in body else body))


class CountsInAByte(Twin):
    """Units that are too many for where they are kept begin again with none."""

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        return super().evaluate(who, replace(action, units=action.units % 32), now)


class FirstRecipientOnly(Twin):
    """Looks at one recipient and forgets the others."""

    def evaluate(self, who: Subject, action: Action, now: datetime) -> Verdict:
        return super().evaluate(who, replace(action, destinations=action.destinations[:1]), now)


class StandingLast(Twin):
    """Asks the rules first, and lets what they deny stand as it is."""

    def judge(self, who: Subject, said: Declared, now: datetime) -> tuple[Action | None, Verdict]:
        action, verdict = super().judge(replace(who, state="active", kill=None, released=True), said, now)
        return (action, verdict) if verdict.effect == "deny" else super().judge(who, said, now)


class PatternsMatchWithin(Twin):
    """A pattern of an address matches everything that it begins."""

    def __init__(self, document: Document) -> None:
        def longer(_kind: str, body: Body) -> Body:
            known = body.get("destination")
            if not isinstance(known, str) or "://" not in known or "*" in known:
                return body
            return {**body, "destination": f"{known.rstrip('/')}/*"}

        super().__init__(rules(document, longer))


# By the property that each of them breaks.
OF_PROPERTIES: dict[str, list[type[Engine]]] = {
    "no policies deny everything": [SilenceIsLeave],
    "only allow and review permit": [LimitsPermit, SilenceIsLeave],
    "a forbid of everything wins": [LeaveWins, FirstThatSpeaks],
    "adding a forbid never allows": [ForbidsOpen],
    "adding a restriction never loosens": [LimitsPermit],
    "order means nothing": [FirstThatSpeaks],
    "shadow policies never change an answer": [ShadowIsEnforced],
    "labels only tighten": [BelievesLabels],
    "claims permit nothing that silence would not": [BelievesClaims],
    "obligations change nothing else": [SkipsWhatObliges],
    "more units never loosen": [CountsInAByte],
    "several destinations get the strictest answer": [FirstRecipientOnly],
    "standing comes before every rule": [StandingLast],
    "a pattern permits what it matches": [PatternsMatchWithin],
}
