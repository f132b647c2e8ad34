// Sells a license key and activates a machine, with the client that oapi-codegen made.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"time"

	"example/oapi-codegen/signet"
)

func main() {
	ctx := context.Background()
	app, err := signet.NewClientWithResponses(os.Getenv("SIGNET_URL"))
	check(err)
	authenticate := func(_ context.Context, request *http.Request) error {
		request.Header.Set("X-Api-Key", os.Getenv("SIGNET_API_KEY"))
		return nil
	}
	operator, err := signet.NewClientWithResponses(os.Getenv("SIGNET_URL"), signet.WithRequestEditorFn(authenticate))
	check(err)

	product, err := operator.CreateProductWithResponse(ctx, nil, signet.CreateProductRequest{
		Code: "oapi-codegen", Name: "Atlas", OneKeyPerCustomer: new(bool),
	})
	check(err)
	assert(product.JSON201 != nil, product.Body)
	seats := int32(1)
	tier, err := operator.CreatePricingTierWithResponse(ctx, nil, signet.CreatePricingTierRequest{
		ProductId: product.JSON201.Id, Code: "pro", Name: "Pro", MaxUsers: &seats, MonthlyPrice: 1900, AnnualPrice: 19000,
		Currency: "EUR", BillingPeriod: signet.BillingPeriodAnnual,
	})
	check(err)
	assert(tier.JSON201 != nil, tier.Body)
	customer, err := operator.CreateCustomerWithResponse(ctx, nil, signet.CustomerRequest{
		Name: "Ada Lovelace", Email: "oapi-codegen@example.com",
	})
	check(err)
	assert(customer.JSON201 != nil, customer.Body)
	var keys, ids, listed []string
	for number := range 3 {
		order := fmt.Sprint("order-oapi-", number)
		issued, err := operator.IssueLicenseKeyWithResponse(ctx, &signet.IssueLicenseKeyParams{IdempotencyKey: &order},
			signet.IssueRequest{CustomerId: customer.JSON201.Id, TierId: tier.JSON201.Id})
		check(err)
		assert(issued.JSON201 != nil, issued.Body)
		keys, ids = append(keys, issued.JSON201.LicenseKey), append(ids, issued.JSON201.License.Id)
	}

	// A list, page by page.
	limit := int32(2)
	params := signet.ListLicenseKeysParams{ProductId: &product.JSON201.Id, Limit: &limit}
	for {
		page, err := operator.ListLicenseKeysWithResponse(ctx, &params)
		check(err)
		assert(page.JSON200 != nil, page.Body)
		for _, license := range page.JSON200.Items {
			listed = append(listed, license.Id)
		}
		if params.Cursor = page.JSON200.NextCursor; params.Cursor == nil {
			break
		}
	}
	slices.Sort(ids)
	slices.Sort(listed)
	assert(slices.Equal(ids, listed), listed)

	// In the app.
	activated, err := app.ActivateMachineWithResponse(ctx, signet.ActivateRequest{LicenseKey: &keys[0], MachineId: "machine-1"})
	check(err)
	assert(activated.JSON201 != nil, activated.Body)
	renewed, err := app.SendHeartbeatWithResponse(ctx, signet.HeartbeatRequest{
		Token: activated.JSON201.Token, MachineId: "machine-1",
	})
	check(err)
	assert(renewed.JSON200 != nil && renewed.JSON200.TokenExpiresAt.After(time.Now()), renewed.Body)
	validated, err := app.ValidateLicenseWithResponse(ctx, signet.ValidateRequest{Token: &renewed.JSON200.Token})
	check(err)
	assert(validated.JSON200 != nil && validated.JSON200.License.Status == signet.LicenseStatusActive, validated.Body)

	// An error is a Problem with a code.
	refused, err := app.ActivateMachineWithResponse(ctx, signet.ActivateRequest{LicenseKey: &keys[0], MachineId: "machine-2"})
	check(err)
	problem := refused.ApplicationproblemJSON409
	assert(problem != nil && problem.Code == signet.ErrorCodeSeatLimitReached, refused.Body)
	fmt.Println("ok")
}

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func assert(holds bool, found any) {
	if !holds {
		log.Panicf("%s", found)
	}
}
