package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A wait looks often at first, since most objects are ready at once, and then once a second.
const firstPause = 50 * time.Millisecond

func nextPause(pause time.Duration) time.Duration { return min(pause*3/2, time.Second) }

// await looks at the object until it is ready, tells meanwhile what it waits for, and on failure why.
func (p *Provider) await(
	urn resource.URN, inputs, live *unstructured.Unstructured, timeout time.Duration, updated bool,
) (*unstructured.Unstructured, error) {
	if annotation(inputs, skipAwait) == "true" {
		return live, nil
	}
	judge := func(object *unstructured.Unstructured) verdict {
		if updated && object.GetKind() == "PersistentVolumeClaim" && phase(object) == "Bound" {
			return verdict{ready: true}
		}
		return p.judge(object)
	}
	if expressions := annotation(inputs, waitFor); expressions != "" {
		conditions, err := parseWaitFor(expressions)
		if err != nil {
			return live, err
		}
		judge = conditions.judge
	}
	ctx, cancel := context.WithTimeout(p.ctx, min(timeout, patience(live.GetKind(), timeout)))
	defer cancel()
	return p.awaitVerdict(ctx, urn, live, judge)
}

// patience bounds the wait for kinds that are ready soon or never.
func patience(kind string, timeout time.Duration) time.Duration {
	switch kind {
	case "ResourceQuota":
		return time.Minute
	case "Secret":
		return 5 * time.Second
	case "PersistentVolume", "PersistentVolumeClaim":
		return 5 * time.Minute
	}
	return timeout
}

func (p *Provider) awaitVerdict(
	ctx context.Context, urn resource.URN, live *unstructured.Unstructured, judge func(*unstructured.Unstructured) verdict,
) (*unstructured.Unstructured, error) {
	report := reporter{provider: p, urn: urn}
	lastReasons := time.Now()
	generation := live.GetGeneration()
	for pause := firstPause; ; pause = nextPause(pause) {
		verdict := judge(live)
		if verdict.ready {
			report.clear()
			return live, nil
		}
		if verdict.failed {
			return live, &notReady{
				message: fmt.Sprintf("Resource '%s' was created but failed to initialize", live.GetName()),
				reasons: append(verdict.errors, p.reasons(live)...),
			}
		}
		report.status(diag.Info, verdict.message)
		if time.Since(lastReasons) > 2*time.Second {
			for _, reason := range p.reasons(live) {
				report.status(diag.Warning, reason)
			}
			lastReasons = time.Now()
		}
		select {
		case <-ctx.Done():
			return live, p.gaveUp(ctx, live, verdict)
		case <-time.After(pause):
		}
		if now, err := p.get(live); err == nil && now.GetGeneration() >= generation {
			live = now
		} else if apierrors.IsNotFound(err) {
			return live, &notReady{message: fmt.Sprintf("'%s' was deleted while it was awaited", live.GetName())}
		}
	}
}

func (p *Provider) gaveUp(ctx context.Context, live *unstructured.Unstructured, verdict verdict) error {
	message := fmt.Sprintf("'%s' timed out waiting to be Ready", live.GetName())
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		message = fmt.Sprintf("Resource operation was cancelled for %q", live.GetName())
	}
	reasons := append([]string{}, verdict.errors...)
	if verdict.message != "" {
		reasons = append(reasons, verdict.message)
	}
	return &notReady{message: message, reasons: append(reasons, p.reasons(live)...)}
}

// notReady is an object that is there, but not as it should be.
type notReady struct {
	message string
	reasons []string
}

func (n *notReady) Error() string { return n.message }

// partial is the error that lets Pulumi keep what came to be, and lists why it is not well.
func partial(id string, err error, properties, inputs *structpb.Struct) error {
	reasons := []string{err.Error()}
	var unready *notReady
	if errors.As(err, &unready) {
		reasons = append(reasons, unready.reasons...)
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, err.Error()), &pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: properties, Reasons: reasons, Inputs: inputs,
	})
}

// reporter shows what a resource is waited for, each thing once in a row.
type reporter struct {
	provider *Provider
	urn      resource.URN
	shown    map[string]bool
}

func (r *reporter) status(severity diag.Severity, message string) {
	if message == "" || r.shown[message] {
		return
	}
	if r.shown == nil {
		r.shown = map[string]bool{}
	}
	r.shown[message] = true
	_ = r.provider.host.LogStatus(r.provider.ctx, severity, r.urn, message)
}

func (r *reporter) clear() {
	if len(r.shown) > 0 {
		_ = r.provider.host.LogStatus(r.provider.ctx, diag.Info, r.urn, "")
	}
}
