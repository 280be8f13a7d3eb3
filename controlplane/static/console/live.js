// What happens elsewhere: kinds and ids from the streaming lane become events `cp:<kind>` on the body, and pages ask
// again for what they show, with the reader's own rights. Visible tabs only. Rows never move under the pointer.
"use strict";
(() => {
    const FRAGMENT = {"X-Console-Dialog": "1"};
    const KINDS = ["approval", "decision", "run", "failure", "agent", "budget"];
    const SILENCE = 25000, SHORTEST = 1000, LONGEST = 30000, POLL = 30000;
    const CHANGED = "Changed meanwhile: show it";
    // The kinds that change a list, by its model.
    const LISTS = {approvalrequest: "approval", decision: "decision", grant: "decision", run: "run", failure: "failure", agent: "agent", agentkey: "agent", command: "agent", budget: "budget", usage: "budget", entry: "approval decision run failure agent budget"};
    const one = (query) => document.querySelector(query);
    const tell = (text) => { const place = one("#cp-live"); if (place) { place.textContent = text; } };
    const ask = (url, headers) => fetch(url, {headers, credentials: "same-origin", redirect: "error"}).then((answer) => (answer.ok ? answer.text() : "")).catch(() => "");

    // At most once in two seconds, and once more at the end: a flood of events is no flood of requests.
    const seldom = (work, pause = 2000) => {
        let due = 0, again = false;
        return () => {
            if (due) { again = true; return; }
            due = setTimeout(() => { due = 0; if (again) { again = false; work(); } }, pause);
            work();
        };
    };
    const announce = (kind, told) => document.body.dispatchEvent(new CustomEvent(`cp:${kind}`, {bubbles: true, detail: told}));
    const everything = () => KINDS.forEach((kind) => announce(kind, {count: 0, ids: [], more: true}));
    const hear = (kinds, work) => kinds.split(" ").forEach((kind) => document.addEventListener(`cp:${kind}`, (event) => work(event.detail, kind)));

    const listen = () => {
        const place = one("#cp-live");
        if (!place || !place.dataset.events || !window.EventSource) { return; }
        const paused = Object.assign(document.createElement("p"), {id: "cp-paused", className: "cp-lag", hidden: true, textContent: "Updates paused. This page looks again every 30 s."});
        one("#main > header")?.append(paused);
        let source = null, last = "", delay = SHORTEST, failures = 0, timer = 0, silent = 0;
        const close = () => {
            clearTimeout(silent);
            clearTimeout(timer);
            if (source) { source.close(); source = null; }
        };
        const alive = (event) => {
            last = event.lastEventId || last;
            delay = SHORTEST;
            failures = 0;
            paused.hidden = true;
            clearTimeout(silent);
            silent = setTimeout(lose, SILENCE);
        };
        const lose = () => {
            close();
            failures += 1;
            // One broken connection is mended before anybody need know.
            if (failures > 1) { paused.hidden = false; }
            timer = setTimeout(open, delay * (0.5 + Math.random() / 2));
            delay = Math.min(2 * delay, LONGEST);
        };
        const open = () => {
            if (document.hidden || source) { return; }
            source = new EventSource(place.dataset.events + (last ? `?after=${last}` : ""), {withCredentials: true});
            source.addEventListener("error", lose);
            source.addEventListener("end", lose);
            source.addEventListener("beat", alive);
            for (const kind of KINDS) {
                source.addEventListener(kind, (event) => { alive(event); announce(kind, JSON.parse(event.data)); });
            }
            silent = setTimeout(lose, SILENCE);
        };
        document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
        window.addEventListener("pagehide", close);
        setInterval(() => { if (!document.hidden && failures) { everything(); } }, POLL);
        open();
    };

    const note = (text, root = document) => {
        const place = root.querySelector(".cp-new");
        if (!place) { return; }
        if (place.hidden || place.firstChild.textContent !== text) { tell(text); }
        place.firstChild.textContent = text;
        place.hidden = false;
    };
    const numbered = (number) => (number < 100 ? `${number} new` : "99+ new");

    // Lists: how many rows came since the first one that is shown; where the newest is not first, the rows are compared.
    const lists = () => {
        const list = one("[data-model]");
        if (!list || !one(".cp-new")) { return; }
        // Held actions stand by deadline, and people may order any list as they like.
        const newestFirst = list.dataset.first && list.dataset.model !== "approvalrequest" && !/[?&]o=/.test(location.search);
        const links = (root) => [...root.querySelectorAll("[data-model] tbody th a, [data-model] tbody td:first-of-type a")].map((link) => link.pathname);
        const since = async () => {
            const number = Number(await ask(location.href, {"X-Console-New-Since": list.dataset.first}));
            if (number > 0) { note(numbered(number)); }
        };
        const compared = async () => {
            const html = await ask(location.href, {});
            if (!html) { return; }
            const known = new Set(links(document)), now = links(new DOMParser().parseFromString(html, "text/html"));
            const number = now.filter((path) => !known.has(path)).length;
            if (number) { note(numbered(number)); } else if (now.length !== known.size) { note(CHANGED); }
        };
        const look = seldom(() => (document.hidden ? null : newestFirst ? since() : compared()), newestFirst ? 2000 : 5000);
        hear(LISTS[list.dataset.model] || "", look);
        setInterval(look, POLL);
    };

    // Pages of one thing: say that it changed, and let the reader decide when to see it.
    const pages = () => {
        const thing = one("[data-live-id]");
        if (!thing) { return; }
        const look = seldom(async () => {
            const parsed = new DOMParser().parseFromString(await ask(location.href, {}), "text/html").querySelector("[data-live-id]");
            if (parsed && parsed.dataset.liveMark !== thing.dataset.liveMark) { note(CHANGED); }
        }, 5000);
        hear(thing.dataset.liveKind, (told) => {
            // Only where the reader's page is no recorded reading it is asked for again.
            if (told.ids.includes(thing.dataset.liveId)) { note(CHANGED); } else if (told.more && thing.dataset.liveOpen) { look(); }
        });
    };

    // A fragment takes the place of the old one, unless somebody points at it or stands in it: then it waits.
    const exact = () => { try { return localStorage.getItem("cp-exact") === "1"; } catch { return false; } };
    const touched = (place) => place.matches(":hover") || place.contains(document.activeElement);
    const put = (place, html) => {
        place.innerHTML = html;
        if (!exact()) { return; }
        for (const time of place.querySelectorAll("time[title]")) {
            [time.textContent, time.title] = [time.title, time.textContent];
            time.dataset.exact = "1";
        }
    };
    const fragments = () => {
        for (const place of document.querySelectorAll("[data-refetch]")) {
            let waits = "";
            const free = () => { if (waits && !touched(place)) { put(place, waits); waits = ""; } };
            const look = seldom(async () => {
                const html = await ask(place.dataset.refetch, FRAGMENT);
                if (!html || /^\s*<!doctype/i.test(html)) { return; }
                waits = html;
                free();
            });
            hear(place.dataset.live, look);
            place.addEventListener("mouseleave", () => setTimeout(free, 0));
            place.addEventListener("focusout", () => setTimeout(free, 0));
        }
    };

    // Live: rows as they arrive; Space holds them; more than ten a second become counts.
    const arriving = () => {
        const page = one("#cp-arriving");
        if (!page) { return; }
        const body = page.querySelector("tbody"), button = one("#cp-pause"), flood = one("#cp-flood");
        let held = false, recent = [], counts = {}, calm = 0;
        const keys = () => new Set([...body.querySelectorAll("tr")].map((row) => row.dataset.key));
        const look = seldom(async () => {
            const html = await ask(page.dataset.url, FRAGMENT);
            if (!html || /^\s*<!doctype/i.test(html)) { return; }
            const next = document.createElement("tbody");
            put(next, html);
            const known = keys();
            const number = [...next.querySelectorAll("tr")].filter((row) => !known.has(row.dataset.key)).length;
            if (!number) { return; }
            if (held || touched(body)) { note(numbered(number), page); return; }
            body.replaceChildren(...next.childNodes);
            page.querySelector(".cp-new").hidden = true;
            one("#cp-nothing")?.remove();
        }, 1000);
        const settle = () => { flood.hidden = true; counts = {}; look(); };
        hear("approval decision run failure", (told, kind) => {
            const now = Date.now();
            recent = [...recent.filter(([at]) => now - at < 3000), [now, told.count]];
            if (recent.reduce((sum, [, count]) => sum + count, 0) <= 30) { if (flood.hidden) { look(); } return; }
            counts[kind] = (counts[kind] || 0) + told.count;
            flood.textContent = `More arrives than can be read: ${Object.entries(counts).map(([name, count]) => `${count} × ${name}`).join(", ")}. Rows come back when it is calmer.`;
            flood.hidden = false;
            clearTimeout(calm);
            calm = setTimeout(settle, 3000);
        });
        const hold = () => {
            held = !held;
            button.setAttribute("aria-pressed", String(held));
            button.textContent = held ? "Go on" : "Pause";
            tell(held ? "Paused" : "Goes on");
            if (!held) { look(); }
        };
        button.hidden = false;
        button.addEventListener("click", hold);
        document.addEventListener("keydown", (event) => {
            const elsewhere = event.target.closest("input, textarea, select, button, a, summary, [contenteditable]");
            if (event.key !== " " || elsewhere || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open], body.cp-quiet")) { return; }
            event.preventDefault();
            hold();
        });
        body.addEventListener("mouseleave", () => { if (!held) { look(); } });
    };

    document.addEventListener("DOMContentLoaded", () => { lists(); pages(); fragments(); arriving(); listen(); });
})();
