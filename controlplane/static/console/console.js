// The console's script: dialogs over the page, keys, times. Every page works without it.
"use strict";
(() => {
    const box = () => {
        let found = document.getElementById("cp-window");
        if (!found) {
            found = document.createElement("dialog");
            found.id = "cp-window";
            found.className = "cp-window";
            found.setAttribute("aria-labelledby", "dialog-title");
            document.body.append(found);
        }
        return found;
    };

    // A dialog is fetched as a fragment of its own page; where that fails, the page itself opens.
    const open = async (link) => {
        const answer = await fetch(link.href, {headers: {"X-Console-Dialog": "1"}, credentials: "same-origin", redirect: "error"});
        const body = await answer.text();
        if (!body.includes("cp-dialog")) { throw new Error("no dialog"); }
        const frame = box();
        frame.innerHTML = body;
        frame.classList.toggle("cp-wide", frame.querySelector(".cp-code") !== null);
        frame.showModal();
        const first = frame.querySelector("textarea, select, input:not([type=hidden]), button[type=submit], a.cp-button");
        if (first) { first.focus(); }
    };

    document.addEventListener("click", (event) => {
        const link = event.target.closest("a[data-dialog]");
        if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
            event.preventDefault();
            open(link).catch(() => { window.location.assign(link.href); });
            return;
        }
        const cancel = event.target.closest("a[data-cancel]");
        if (cancel && cancel.closest("dialog")) {
            event.preventDefault();
            cancel.closest("dialog").close();
        }
        for (const menu of document.querySelectorAll("details.cp-filter[open]")) {
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
        for (const form of document.querySelectorAll("form[data-sent]")) { delete form.dataset.sent; }
    });

    // Single keys: silent in fields and while a dialog is open.
    const places = {h: "/", a: "/approvals/approvalrequest/", r: "/runs/run/", p: "/policies/revision/", c: "/costs/budget/", u: "/audit/entry/"};
    let going = 0;
    const rows = () => [...document.querySelectorAll(".cp-list tbody tr")];
    const step = (by) => {
        const all = rows();
        if (!all.length) { return; }
        const at = all.findIndex((row) => row.hasAttribute("aria-selected"));
        const next = Math.min(Math.max(at + by, 0), all.length - 1);
        all.forEach((row, place) => row.toggleAttribute("aria-selected", place === next));
        const link = all[next].querySelector("th a, td a");
        if (link) { link.focus(); }
        all[next].scrollIntoView({block: "nearest"});
    };
    const press = (words) => {
        const found = [...document.querySelectorAll("a.cp-button[data-dialog]")].find((link) => link.pathname.endsWith(words));
        if (found) { found.click(); }
    };
    document.addEventListener("keydown", (event) => {
        const writing = event.target.closest("input, textarea, select, [contenteditable]");
        if (writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) { return; }
        if (going && Date.now() - going < 1500 && places[event.key]) {
            going = 0;
            window.location.assign(places[event.key]);
            return;
        }
        going = event.key === "g" ? Date.now() : 0;
        if (event.key === "j") { step(1); }
        if (event.key === "k") { step(-1); }
        if (event.key === "a") { const yes = document.querySelector(".cp-verdict .cp-button-main"); if (yes) { yes.focus(); } }
        if (event.key === "r") { press("/reject/"); }
        if (event.key === "e") { press("/edit/"); }
        if (event.key === "/") {
            const field = document.getElementById("searchbar");
            if (field) { event.preventDefault(); field.focus(); }
        }
    });
})();
