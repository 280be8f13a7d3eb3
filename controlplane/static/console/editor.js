// The policy editor: an answer older than the last letter is dropped, and what it was asked for is asked anew.
"use strict";
(() => {
    const editor = document.getElementById("editor");
    if (!editor) { return; }
    let letters = 0;
    let owed = null;
    const sent = new WeakMap();
    const isText = (place) => place.matches("[hx-trigger]") && place.querySelector("[name=document]") !== null;
    editor.addEventListener("input", ({target}) => {
        // What is asked anew is told to the place around the fields; only fields are written in.
        if (target.name && target.closest("[hx-trigger]")) { letters += 1; }
    }, true);
    editor.addEventListener("htmx:beforeRequest", (event) => {
        // Reading the text alone would throw away what stands in the form and was not laid over the text yet.
        if (isText(event.detail.elt) && owed?.isConnected) { event.preventDefault(); return; }
        sent.set(event.detail.xhr, letters);
    });
    // Where asking anew fails, the text is read all the same: better the form's last letters lost than all that follow.
    for (const failure of ["htmx:sendError", "htmx:responseError"]) {
        editor.addEventListener(failure, () => { owed = null; });
    }
    editor.addEventListener("htmx:beforeSwap", (event) => {
        const {xhr, requestConfig} = event.detail;
        const {elt} = requestConfig;
        if (sent.get(xhr) === letters) { owed = isText(elt) ? owed : null; return; }
        event.detail.shouldSwap = false;
        if (isText(elt)) { return; }  // the letters themselves ask again
        owed = elt;
        if (elt.matches("[hx-trigger]")) {
            elt.dispatchEvent(new Event("input", {bubbles: true}));
        } else {
            setTimeout(() => { if (owed === elt && elt.isConnected) { elt.click(); } }, 200);
        }
    });
})();
