// The console's script: dialogs over the page, the palette, keys, times. Every page works without it.
"use strict";
(() => {
    const FRAGMENT = {"X-Console-Dialog": "1"};
    const $ = (id) => document.getElementById(id);
    const one = (query) => document.querySelector(query);
    const all = (query, root = document) => [...root.querySelectorAll(query)];
    const make = (tag, rest) => Object.assign(document.createElement(tag), rest);
    const tell = (text) => { const live = $("cp-live"); if (live) { live.textContent = text; } };
    const kept = {get: (key) => { try { return sessionStorage.getItem(key); } catch { return null; } },
        set: (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* not allowed here */ } }};

    // Fetches a fragment into its place: the old content stays and is marked busy; a failure says so in place. Of two
    // for one place the later counts: an answer that comes behind it would take away what is being written there.
    const turns = new WeakMap();
    const load = async (place, url, what) => {
        const turn = {};
        turns.set(place, turn);
        const overtaken = () => turns.get(place) !== turn;
        place.setAttribute("aria-busy", "true");
        const slow = setTimeout(() => place.classList.add("cp-slow"), 400);
        let request = "";
        try {
            const answer = await fetch(url, {headers: FRAGMENT, credentials: "same-origin", redirect: "error"});
            request = answer.headers.get("X-Request-ID") || "";
            if (!answer.ok && !answer.headers.get("Content-Type").startsWith("text/html")) { throw new Error("failed"); }
            const body = await answer.text();
            if (overtaken()) { return null; }
            if (/^\s*<!doctype/i.test(body)) { throw new Error("a whole page"); }
            place.innerHTML = body;
            times(place);
            return true;
        } catch {
            if (overtaken()) { return null; }
            const text = `Couldn't load ${what}. `;
            place.replaceChildren(make("p", {className: "cp-alert", textContent: text}));
            const again = make("button", {type: "button", className: "cp-button", textContent: "Retry"});
            again.addEventListener("click", () => load(place, url, what));
            place.firstChild.append(again, request ? ` request ${request}` : "");
            tell(text);
            return false;
        } finally {
            clearTimeout(slow);
            if (!overtaken()) {
                place.classList.remove("cp-slow");
                place.removeAttribute("aria-busy");
            }
        }
    };

    // <dialog> keeps the focus inside and gives it back.
    const open = async (link) => {
        let frame = $("cp-window");
        if (!frame) {
            frame = make("dialog", {id: "cp-window", className: "cp-window"});
            frame.setAttribute("aria-labelledby", "dialog-title");
            document.body.append(frame);
        }
        frame.replaceChildren();
        if (!frame.open) { frame.showModal(); }
        const loaded = await load(frame, link.href, "this");
        if (loaded === null) { return; }
        if (!loaded) {
            const page = make("a", {className: "cp-button", href: link.href, textContent: "Open as a page"});
            frame.append(page);
        } else if (!frame.querySelector(".cp-dialog")) {
            location.assign(link.href);
            return;
        }
        frame.classList.toggle("cp-wide", frame.querySelector(".cp-code") !== null);
        const first = frame.querySelector("textarea, select, input:not([type=hidden]), button, a.cp-button");
        if (first) { first.focus(); }
    };

    document.addEventListener("click", (event) => {
        const link = event.target.closest("a");
        const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
        if (link && plain && link.matches("[data-palette]")) { event.preventDefault(); palette(); return; }
        if (link && plain && link.matches("[data-dialog]")) { event.preventDefault(); open(link); return; }
        if (event.target.closest("[data-close], dialog a[data-cancel]")) {
            event.preventDefault();
            event.target.closest("dialog").close();
        }
        if (link && link.closest(".cp-list")) { kept.set(`row ${location.href}`, link.href); }
        const theme = event.target.closest("[data-theme]");
        if (theme && window.Alpine) { window.Alpine.$data(document.documentElement).switchTheme(theme.dataset.theme); }
        for (const menu of all("details.cp-filter[open], details.cp-me[open]")) {
            if (!menu.contains(event.target)) { menu.open = false; }
        }
        const secret = event.target.closest("[data-select]");
        if (secret) { getSelection().selectAllChildren(secret); }
    });

    // One press, one vote: a second submit of the same form is dropped.
    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (form.method !== "post") { return; }
        if (form.dataset.sent) { event.preventDefault(); return; }
        form.dataset.sent = "1";
    });
    window.addEventListener("pageshow", () => {
        for (const form of all("form[data-sent]")) { delete form.dataset.sent; }
        // Back keeps filters and row: the row that was opened is found again, and a page's way up is the list as it was.
        const row = kept.get(`row ${location.href}`);
        const at = row ? all(".cp-list a").find((link) => link.href === row) : null;
        if (at) { pick(at.closest("tr")); }
        if (one(".change-list")) { kept.set(`list ${location.pathname}`, location.href); }
        for (const up of all("a[data-up]")) { up.href = kept.get(`list ${up.pathname}`) || up.href; }
        for (const place of all("[data-fragment]")) { load(place, place.dataset.fragment, place.dataset.what || "this"); }
        for (const form of all(".cp-undo")) { setTimeout(() => form.remove(), 10000); }
        tell(all("#messages li").map((item) => item.textContent.trim()).join(" "));
    });

    // Times: relative or exact, as the person chose last.
    let exact = false;
    try { exact = localStorage.getItem("cp-exact") === "1"; } catch { /* not allowed here */ }
    const times = (root) => {
        for (const time of all("time[title]", root)) {
            if ((time.dataset.exact === "1") !== exact) {
                [time.textContent, time.title] = [time.title, time.textContent];
                time.dataset.exact = exact ? "1" : "";
            }
        }
    };

    // The last five minutes of a deadline are counted.
    setInterval(() => {
        for (const time of all("time[data-deadline]")) {
            const left = Math.ceil((Date.parse(time.dateTime) - Date.now()) / 1000);
            if (left >= 0 && left < 301 && !exact) { time.textContent = `in ${left / 60 | 0} min ${left % 60} s`; }
        }
    }, 1000);

    // A digest under the pointer lights its twins.
    document.addEventListener("pointerover", ({target}) => {
        const digest = target.closest("[data-digest]")?.dataset.digest;
        for (const each of all("[data-digest]")) { each.classList.toggle("cp-twin", each.dataset.digest === digest); }
    });

    // The palette: nothing is kept, each letter asks anew for what the person may see now.
    let asking = 0;
    const palette = () => {
        const frame = $("cp-palette");
        if (!frame || frame.open) { return; }
        const field = $("cp-term");
        field.value = "";
        frame.showModal();
        find("");
    };
    const find = (term) => {
        clearTimeout(asking);
        asking = setTimeout(() => load($("cp-hits"), `${$("cp-palette").dataset.url}?s=${encodeURIComponent(term)}`, "hits"), term ? 150 : 0);
    };
    const walk = (event) => {
        const stops = [$("cp-term"), ...all("#cp-hits a")];
        const at = stops.indexOf(document.activeElement);
        const by = {ArrowDown: 1, ArrowUp: -1}[event.key];
        if (by) {
            event.preventDefault();
            stops[(at + by + stops.length) % stops.length].focus();
        } else if (event.key === "Enter" && at === 0 && stops[1]) {
            event.preventDefault();
            stops[1].click();
        }
    };

    // Single keys: silent in fields, while a dialog is open, and for whoever turned them off.
    const places = {h: "/home/", a: "/approvals/approvalrequest/", r: "/runs/run/", f: "/runs/failure/", p: "/policies/revision/", c: "/costs/budget/", u: "/audit/entry/"};
    let going = 0;
    const rows = () => all(".cp-list tbody tr");
    const pick = (row) => {
        for (const each of rows()) { each.classList.toggle("cp-at", each === row); }
        const link = row.querySelector("th a, td a");
        if (link) { link.focus({preventScroll: true}); }
        row.scrollIntoView({block: "nearest"});
    };
    const step = (by) => {
        const found = rows();
        const at = found.findIndex((row) => row.classList.contains("cp-at"));
        if (found.length) { pick(found[Math.min(Math.max(at + by, 0), found.length - 1)]); }
    };
    const tick = () => {
        const row = one(".cp-list tr.cp-at");
        if (!row) { return; }
        const box = row.querySelector("input[type=checkbox]");
        if (box) { box.click(); } else { row.classList.toggle("cp-picked"); }
        const number = all(".cp-list tr.cp-picked, .cp-list tbody input:checked").length;
        tell(`${number} picked`);
    };
    // A page writes its keys on its links; these open dialogs, on the list of failures those of the picked row.
    const words = {r: ["reject", "resolve"], e: ["edit"], m: ["unmute", "mute"], s: ["assign"]};
    const press = (key) => {
        const names = words[key] || [];
        const row = location.pathname === places.f && key !== "e" && one(".cp-list tr.cp-at a");
        const found = one(`[aria-keyshortcuts="${CSS.escape(key)}"]`)
            || all("a.cp-button[data-dialog]").find((link) => names.includes(link.pathname.split("/").at(-2)));
        if (found) { found.click(); } else if (row && names[0]) { open({href: `${row.href}${names.at(-1)}/`}); }
    };
    const keys = {
        j: () => step(1),
        k: () => step(-1),
        x: tick,
        t: () => {
            exact = !exact;
            try { localStorage.setItem("cp-exact", exact ? "1" : ""); } catch { /* not allowed here */ }
            times(document);
            tell(exact ? "Times are exact" : "Times are relative");
        },
        "?": () => $("cp-keys")?.showModal(),
        ".": () => one(".cp-new:not([hidden])") && location.assign(one(".cp-new a").href),
        "/": () => $("searchbar")?.focus(),
        a: () => one(".cp-verdict .cp-button-main")?.focus(),
    };
    document.addEventListener("keydown", (event) => {
        const frame = $("cp-palette");
        if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); palette(); return; }
        if (frame && frame.open) { walk(event); return; }
        const writing = event.target.closest("input, textarea, select, [contenteditable]");
        const held = event.metaKey || (event.ctrlKey || event.altKey) && !event.getModifierState("AltGraph");
        if (writing || held || one("dialog[open], body.cp-quiet")) { return; }
        const place = going && Date.now() - going < 1500 && places[event.key];
        going = event.key === "g" && !place ? Date.now() : 0;
        if (place) { location.assign(place); return; }
        if (!keys[event.key]) { press(event.key); return; }
        if ("/?".includes(event.key)) { event.preventDefault(); }
        keys[event.key]();
    });
    document.addEventListener("input", (event) => { if (event.target.id === "cp-term") { find(event.target.value); } });

    document.addEventListener("DOMContentLoaded", () => times(document));
})();
