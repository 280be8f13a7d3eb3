// The console's script: dialogs over the page, the palette, keys, times. Every page works without it.
"use strict";
(() => {
    const FRAGMENT = {"X-Console-Dialog": "1"};
    const $ = (id) => document.getElementById(id);
    const all = (query, root = document) => [...root.querySelectorAll(query)];
    const tell = (text) => { const live = $("cp-live"); if (live) { live.textContent = text; } };
    const kept = {get: (key) => { try { return sessionStorage.getItem(key); } catch { return null; } },
        set: (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* not allowed here */ } }};

    // Fetches a fragment into its place: the old content stays and is marked busy; a failure says so in place.
    const load = async (place, url, what) => {
        place.setAttribute("aria-busy", "true");
        const slow = setTimeout(() => place.classList.add("cp-slow"), 400);
        let request = "";
        try {
            const answer = await fetch(url, {headers: FRAGMENT, credentials: "same-origin", redirect: "error"});
            request = answer.headers.get("X-Request-ID") || "";
            if (!answer.ok && !answer.headers.get("Content-Type").startsWith("text/html")) { throw new Error("failed"); }
            const body = await answer.text();
            if (/^\s*<!doctype/i.test(body)) { throw new Error("a whole page"); }
            place.innerHTML = body;
            times(place);
            return true;
        } catch {
            const text = `Couldn't load ${what}. `;
            place.replaceChildren(Object.assign(document.createElement("p"), {className: "cp-alert", textContent: text}));
            const again = Object.assign(document.createElement("button"), {type: "button", className: "cp-button", textContent: "Retry"});
            again.addEventListener("click", () => load(place, url, what));
            place.firstChild.append(again, request ? ` request ${request}` : "");
            tell(text);
            return false;
        } finally {
            clearTimeout(slow);
            place.classList.remove("cp-slow");
            place.removeAttribute("aria-busy");
        }
    };

    // <dialog> keeps the focus inside and gives it back.
    const open = async (link) => {
        let frame = $("cp-window");
        if (!frame) {
            frame = Object.assign(document.createElement("dialog"), {id: "cp-window", className: "cp-window"});
            frame.setAttribute("aria-labelledby", "dialog-title");
            document.body.append(frame);
        }
        frame.replaceChildren();
        if (!frame.open) { frame.showModal(); }
        if (!await load(frame, link.href, "this")) {
            const page = Object.assign(document.createElement("a"), {className: "cp-button", href: link.href, textContent: "Open as a page"});
            frame.append(page);
        } else if (!frame.querySelector(".cp-dialog")) {
            window.location.assign(link.href);
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
        if (secret) { window.getSelection().selectAllChildren(secret); }
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
        if (document.querySelector(".change-list")) { kept.set(`list ${location.pathname}`, location.href); }
        for (const up of all("a[data-up]")) { up.href = kept.get(`list ${up.pathname}`) || up.href; }
        for (const place of all("[data-fragment]")) { load(place, place.dataset.fragment, place.dataset.what || "this"); }
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
        const row = document.querySelector(".cp-list tr.cp-at");
        if (!row) { return; }
        const box = row.querySelector("input[type=checkbox]");
        if (box) { box.click(); } else { row.classList.toggle("cp-picked"); }
        const number = all(".cp-list tr.cp-picked, .cp-list tbody input:checked").length;
        tell(`${number} picked`);
    };
    const press = (words) => {
        const found = all("a.cp-button[data-dialog]").find((link) => link.pathname.endsWith(words));
        if (found) { found.click(); }
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
        "?": () => $("cp-keys") && $("cp-keys").showModal(),
        ".": () => document.querySelector(".cp-new:not([hidden])") && window.location.assign(document.querySelector(".cp-new a").href),
        "/": () => $("searchbar") && $("searchbar").focus(),
        a: () => { const yes = document.querySelector(".cp-verdict .cp-button-main"); if (yes) { yes.focus(); } },
        r: () => press("/reject/"),
        e: () => press("/edit/"),
    };
    document.addEventListener("keydown", (event) => {
        const frame = $("cp-palette");
        if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); palette(); return; }
        if (frame && frame.open) { walk(event); return; }
        const writing = event.target.closest("input, textarea, select, [contenteditable]");
        if (writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || document.body.classList.contains("cp-quiet")) { return; }
        const place = going && Date.now() - going < 1500 && places[event.key];
        going = event.key === "g" && !place ? Date.now() : 0;
        if (place) { window.location.assign(place); return; }
        if (keys[event.key]) { if (event.key === "/" || event.key === "?") { event.preventDefault(); } keys[event.key](); }
    });
    document.addEventListener("input", (event) => { if (event.target.id === "cp-term") { find(event.target.value); } });

    // What came since: asked of visible tabs only; rows never move by themselves.
    const fresh = async () => {
        const first = document.querySelector("[data-first]");
        const note = document.querySelector(".cp-new");
        if (!first || !note || document.hidden) { return; }
        const answer = await fetch(location.href, {headers: {"X-Console-New-Since": first.dataset.first}, credentials: "same-origin", redirect: "error"}).catch(() => null);
        const number = answer && answer.ok ? Number(await answer.text()) : NaN;
        if (number > 0) {
            const text = number < 100 ? `${number} new` : "99+ new";
            if (note.hidden || note.firstChild.textContent !== text) { tell(text); }
            note.firstChild.textContent = text;
            note.hidden = false;
        }
    };
    setInterval(fresh, 30000);
    document.addEventListener("DOMContentLoaded", () => times(document));
})();
