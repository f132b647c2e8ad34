// Sells a license key and activates a machine, with the client that openapi-generator made.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"time"

	"example/openapi-generator/signet"
)

func main() {
	configuration := signet.NewConfiguration()
	configuration.Servers = signet.ServerConfigurations{{URL: os.Getenv("SIGNET_URL")}}
	client := signet.NewAPIClient(configuration)
	app := context.Background()
	operator := context.WithValue(app, signet.ContextAPIKeys, map[string]signet.APIKey{
		"api_key": {Key: os.Getenv("SIGNET_API_KEY")},
	})

	createProduct := signet.NewCreateProductRequest("openapi-generator-go", "Atlas")
	createProduct.SetOneKeyPerCustomer(false)
	product, _, err := client.CatalogAPI.CreateProduct(operator).CreateProductRequest(*createProduct).Execute()
	check(err)
	seats := *signet.NewNullableInt32(signet.PtrInt32(1))
	createTier := signet.CreatePricingTierRequest{
		ProductId: product.Id, Code: "pro", Name: "Pro", MaxUsers: seats, MonthlyPrice: 1900, AnnualPrice: 19000,
		Currency: "EUR", BillingPeriod: signet.BILLINGPERIOD_ANNUAL,
	}
	tier, _, err := client.CatalogAPI.CreatePricingTier(operator).CreatePricingTierRequest(createTier).Execute()
	check(err)
	newCustomer := signet.CustomerRequest{Name: "Ada Lovelace", Email: "openapi-generator-go@example.com"}
	customer, _, err := client.CustomersAPI.CreateCustomer(operator).CustomerRequest(newCustomer).Execute()
	check(err)
	var keys, ids, listed []string
	for number := range 3 {
		request := signet.IssueRequest{CustomerId: customer.Id, TierId: tier.Id}
		issued, _, err := client.LicensesAPI.IssueLicenseKey(operator).IssueRequest(request).
			IdempotencyKey(fmt.Sprint("order-go-", number)).Execute()
		check(err)
		keys, ids = append(keys, issued.LicenseKey), append(ids, issued.License.Id)
	}

	// A list, page by page.
	request := client.LicensesAPI.ListLicenseKeys(operator).ProductId(product.Id).Limit(2)
	for {
		page, _, err := request.Execute()
		check(err)
		for _, license := range page.Items {
			listed = append(listed, license.Id)
		}
		cursor, more := page.GetNextCursorOk()
		if !more || cursor == nil {
			break
		}
		request = request.Cursor(*cursor)
	}
	slices.Sort(ids)
	slices.Sort(listed)
	assert(slices.Equal(ids, listed), listed)

	// In the app.
	activate := signet.ActivateRequest{LicenseKey: *signet.NewNullableString(&keys[0]), MachineId: "machine-1"}
	activated, _, err := client.AppsAPI.ActivateMachine(app).ActivateRequest(activate).Execute()
	check(err)
	heartbeat := signet.HeartbeatRequest{Token: activated.Token, MachineId: "machine-1"}
	renewed, _, err := client.AppsAPI.SendHeartbeat(app).HeartbeatRequest(heartbeat).Execute()
	check(err)
	assert(renewed.TokenExpiresAt.After(time.Now()), renewed)
	validate := signet.ValidateRequest{Token: *signet.NewNullableString(&renewed.Token)}
	validated, _, err := client.AppsAPI.ValidateLicense(app).ValidateRequest(validate).Execute()
	check(err)
	license := validated.License.Get()
	assert(license != nil && license.Status == signet.LICENSESTATUS_ACTIVE, validated)

	// An error is a Problem with a code.
	activate.MachineId = "machine-2"
	_, _, err = client.AppsAPI.ActivateMachine(app).ActivateRequest(activate).Execute()
	var apiError *signet.GenericOpenAPIError
	assert(errors.As(err, &apiError), err)
	problem, isProblem := apiError.Model().(signet.Problem)
	assert(isProblem && problem.Code == signet.ERRORCODE_SEAT_LIMIT_REACHED, apiError.Model())
	fmt.Println("ok")
}

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func assert(holds bool, found any) {
	if !holds {
		log.Panicf("%+v", found)
	}
}
