module github.com/signet-licensing/signet/clients/go

go 1.22
