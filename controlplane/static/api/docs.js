"use strict";

// Starts the API's page. Calls tried out from it carry the person's session, so writes need the CSRF token.
const token = () => (document.cookie.match(/(?:^|; )csrftoken=([^;]+)/) || [])[1];

window.ui = SwaggerUIBundle({
  url: "/api/schema",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  // The library would ask a validator elsewhere.
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (token() && !["GET", "HEAD"].includes(request.method || "GET")) {
      request.headers["X-CSRFToken"] = token();
    }
    return request;
  },
});
