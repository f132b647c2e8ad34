// Initializes Swagger UI for the OpenAPI document. Credentials from "Authorize" are kept in memory until the page is left.
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
  // Disabled: the default sends the document URL to a public validation service.
  validatorUrl: null,
});
