import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import signet.ApiClient;
import signet.ApiException;
import signet.api.AppsApi;
import signet.api.CatalogApi;
import signet.api.CustomersApi;
import signet.api.LicensesApi;
import signet.model.*;

/** Sells a license key and activates a machine, with the client that openapi-generator made. */
public class Scenario {
    public static void main(String[] arguments) throws Exception {
        ApiClient operator = new ApiClient();
        operator.updateBaseUri(System.getenv("SIGNET_URL"));
        operator.setRequestInterceptor(request -> request.header("X-Api-Key", System.getenv("SIGNET_API_KEY")));
        CatalogApi catalog = new CatalogApi(operator);
        LicensesApi licenses = new LicensesApi(operator);

        Product product = catalog.createProduct(
            new CreateProductRequest().code("openapi-generator-java").name("Atlas").oneKeyPerCustomer(false), null);
        PricingTier tier = catalog.createPricingTier(
            new CreatePricingTierRequest().productId(product.getId()).code("pro").name("Pro").maxUsers(1)
                .monthlyPrice(1900L).annualPrice(19000L).currency("EUR").billingPeriod(BillingPeriod.ANNUAL), null);
        Customer customer = new CustomersApi(operator).createCustomer(
            new CustomerRequest().name("Ada Lovelace").email("openapi-generator-java@example.com"), null);
        List<IssuedLicense> issued = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            issued.add(licenses.issueLicenseKey(
                new IssueRequest().customerId(customer.getId()).tierId(tier.getId()), "order-java-" + number));
        }

        // A list, page by page.
        List<String> listed = new ArrayList<>();
        String cursor = null;
        do {
            LicenseList page = licenses.listLicenseKeys(null, product.getId(), null, null, null, null, null, 2, cursor);
            page.getItems().forEach(one -> listed.add(one.getId()));
            cursor = page.getNextCursor();
        } while (cursor != null);
        check(listed.stream().sorted().toList().equals(issued.stream().map(one -> one.getLicense().getId()).sorted().toList()));

        // In the app.
        ApiClient anonymous = new ApiClient();
        anonymous.updateBaseUri(System.getenv("SIGNET_URL"));
        AppsApi apps = new AppsApi(anonymous);
        String key = issued.get(0).getLicenseKey();
        ActivateResponse activated = apps.activateMachine(new ActivateRequest().licenseKey(key).machineId("machine-1"));
        HeartbeatResponse renewed = apps.sendHeartbeat(new HeartbeatRequest().token(activated.getToken()).machineId("machine-1"));
        check(renewed.getTokenExpiresAt().isAfter(OffsetDateTime.now()));
        ValidateResponse validated = apps.validateLicense(new ValidateRequest().token(renewed.getToken()));
        check(validated.getLicense().getStatus() == LicenseStatus.ACTIVE);

        // An error is a Problem with a code.
        try {
            apps.activateMachine(new ActivateRequest().licenseKey(key).machineId("machine-2"));
            throw new AssertionError("a second machine was activated");
        } catch (ApiException error) {
            Problem problem = anonymous.getObjectMapper().readValue(error.getResponseBody(), Problem.class);
            check(problem.getCode() == ErrorCode.SEAT_LIMIT_REACHED);
        }
        System.out.println("ok");
    }

    private static void check(boolean holds) {
        if (!holds) {
            throw new AssertionError();
        }
    }
}
