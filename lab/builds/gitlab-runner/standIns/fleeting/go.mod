module gitlab.com/gitlab-org/fleeting/fleeting

go 1.26

require (
	github.com/hashicorp/go-hclog v1.6.3
	github.com/prometheus/client_golang v1.23.2
)
