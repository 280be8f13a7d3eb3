// Reviewing: no vote before the end of the bytes was on the screen; keys for the neighbours and the run.
// Without this script the buttons stand below the bytes, where one comes by reading.
"use strict";
(() => {
    const bar = document.querySelector(".cp-verdict");
    const end = document.querySelector("[data-end]");
    const left = document.querySelector("[data-left]");
    if (bar && end && left) {
        let seen = false;
        const look = () => {
            if (seen) { return; }
            // The bar itself covers the foot of the window.
            const foot = window.innerHeight - (bar.classList.contains("cp-unread") ? bar.offsetHeight : 0);
            const below = end.getBoundingClientRect().top - foot;
            if (below <= 0) {
                seen = true;
                bar.classList.remove("cp-unread");
                left.textContent = "";
                return;
            }
            bar.classList.add("cp-unread");
            const screens = Math.ceil(below / window.innerHeight);
            const words = screens === 1 ? "1 screen left to read" : `${screens} screens left to read`;
            if (left.textContent !== words) { left.textContent = words; }
        };
        look();
        window.addEventListener("scroll", look, {passive: true, capture: true});
        window.addEventListener("resize", look);
    }

    // The page of a newer revision opens at what it changed.
    const changes = document.getElementById("changes");
    if (changes && window.location.hash === "#changes") { changes.focus(); }

    document.addEventListener("keydown", (event) => {
        const writing = event.target.closest("input, textarea, select, [contenteditable]");
        const busy = writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]");
        if (busy || document.body.classList.contains("cp-quiet")) { return; }
        const where = {j: "a[rel=next]", k: "a[rel=prev]", o: "a[data-run]"}[event.key];
        const link = where && document.querySelector(`.cp-review ${where}`);
        if (link) { link.click(); }
    });
})();
