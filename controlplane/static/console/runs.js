// A run's page opens at its first failure; n goes to the next one. Without this script a button leads there.
"use strict";
(() => {
    const wrong = () => [...document.querySelectorAll("tr[data-wrong]")];
    const show = (row) => {
        row.focus({preventScroll: true});
        row.scrollIntoView({block: "center"});
    };

    // Back, and a link to one step, find the place that they mean themselves.
    window.addEventListener("pageshow", (event) => {
        const [how] = performance.getEntriesByType("navigation");
        const first = wrong()[0];
        if (first && !event.persisted && !location.hash && (!how || how.type === "navigate")) { show(first); }
    });

    document.addEventListener("keydown", (event) => {
        const writing = event.target.closest("input, textarea, select, [contenteditable]");
        const busy = writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]");
        if (busy || event.key !== "n" || document.body.classList.contains("cp-quiet")) { return; }
        const rows = wrong();
        const next = rows[rows.indexOf(document.activeElement.closest("tr")) + 1] || rows[0];
        const live = document.getElementById("cp-live");
        if (!next) {
            if (live) { live.textContent = "No step on this page failed."; }
            return;
        }
        show(next);
        if (live) { live.textContent = `Failed step ${rows.indexOf(next) + 1} of ${rows.length}`; }
    });
})();
