// Passkeys: asks the browser for the key, then sends the form.
"use strict";
(() => {
    const optionsOf = async (form) => {
        if (!form.dataset.options) { return JSON.parse(document.getElementById("passkey-options").textContent); }
        const answer = await fetch(form.dataset.options, {credentials: "same-origin", redirect: "error"});
        if (!answer.ok) { throw new Error("no options"); }
        return answer.json();
    };

    const use = async (form) => {
        const options = await optionsOf(form);
        const found = form.dataset.passkey === "create"
            ? await window.webauthnJSON.create(options.creation_options)
            : await window.webauthnJSON.get(options.request_options);
        form.elements.credential.value = JSON.stringify(found);
        form.submit();
    };

    for (const form of document.querySelectorAll("form[data-passkey]")) {
        form.addEventListener("submit", (event) => {
            event.preventDefault();
            event.stopPropagation();
            form.querySelector("[data-problem]").hidden = true;
            use(form).catch(() => { form.querySelector("[data-problem]").hidden = false; });
        });
    }
})();
