// Shows the OpenAPI document with Swagger UI. "Authorize" keeps a credential until the page is left, and nowhere else.
window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  showExtensions: false,
  tryItOutEnabled: true,
  // It would ask a public service whether the document is valid.
  validatorUrl: null,
});
