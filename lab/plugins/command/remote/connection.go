package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/retry"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Connection is how to reach the host.
type Connection struct {
	endpoint
	Proxy *Proxy `pulumi:"proxy,optional"`
}

// Proxy is the bastion, if there is one.
type Proxy struct{ endpoint }

type endpoint struct {
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	Host               *string  `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	// DialErrorLimit is the number of retries after a failed dial, a wrong key included; -1 for no end.
	DialErrorLimit *int `pulumi:"dialErrorLimit,optional"`
	// PerDialTimeout is in seconds, 0 for none.
	PerDialTimeout *int `pulumi:"perDialTimeout,optional"`
	// HostKey is one line of an authorized_keys file. Without it every host is believed.
	HostKey *string `pulumi:"hostKey,optional"`
}

// Annotate tells the defaults.
func (c *Connection) Annotate(a infer.Annotator) { c.annotate(a) }

// Annotate tells the defaults.
func (c *Proxy) Annotate(a infer.Annotator) { c.annotate(a) }

func (e *endpoint) annotate(a infer.Annotator) {
	a.SetDefault(&e.User, "root")
	a.SetDefault(&e.Port, 22)
	a.SetDefault(&e.DialErrorLimit, 10)
	a.SetDefault(&e.PerDialTimeout, 15)
}

func (e *endpoint) address() string {
	return net.JoinHostPort(*e.Host, strconv.Itoa(int(*e.Port)))
}

// config gathers every way to authenticate that is given: key, password, agent.
func (e *endpoint) config() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{
		User:            *e.User,
		Timeout:         time.Duration(*e.PerDialTimeout) * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}
	if e.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return nil, fmt.Errorf("failed to parse host key: %w", err)
		}
		config.HostKeyCallback, config.HostKeyAlgorithms = ssh.FixedHostKey(key), []string{key.Type()}
	}
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(e.answer))
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if e.AgentSocketPath != nil {
		socket = *e.AgentSocketPath
	}
	if socket != "" {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(connection).Signers))
	}
	return config, nil
}

func (e *endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*e.PrivateKey))
}

func (e *endpoint) answer(_, _ string, questions []string, _ []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i := range answers {
		answers[i] = *e.Password
	}
	return answers, nil
}

// dial connects, through the proxy if there is one.
func (c *Connection) dial(ctx context.Context) (*ssh.Client, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	if c.Proxy == nil {
		return patiently(ctx, "Dial", *c.DialErrorLimit, func() (*ssh.Client, error) {
			return ssh.Dial("tcp", c.address(), config)
		})
	}
	client, err := c.dialThrough(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return client, nil
}

func (c *Connection) dialThrough(ctx context.Context, config *ssh.ClientConfig) (*ssh.Client, error) {
	proxyConfig, err := c.Proxy.config()
	if err != nil {
		return nil, err
	}
	proxy, err := patiently(ctx, "Dial proxy", *c.Proxy.DialErrorLimit, func() (*ssh.Client, error) {
		return ssh.Dial("tcp", c.Proxy.address(), proxyConfig)
	})
	if err != nil {
		return nil, err
	}
	tunnel, err := patiently(ctx, "Dial from proxy", *c.DialErrorLimit, func() (net.Conn, error) {
		return proxy.Dial("tcp", c.address())
	})
	if err != nil {
		return nil, err
	}
	// A handshake that failed is tried again over the same tunnel, as the official plugin does. It cannot succeed then,
	// and the error that is told is the last one.
	return patiently(ctx, "Dial", *c.DialErrorLimit, func() (*ssh.Client, error) {
		connection, channels, requests, err := ssh.NewClientConn(tunnel, c.address(), config)
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(connection, channels, requests), nil
	})
}

// patiently tries until it works, or until it failed once more often than the limit.
func patiently[T any](ctx context.Context, what string, limit int, try func() (T, error)) (T, error) {
	var result T
	ok, _, err := retry.Until(ctx, retry.Acceptor{Accept: func(tried int, _ time.Duration) (bool, any, error) {
		var failure error
		if result, failure = try(); failure == nil {
			return true, nil, nil
		}
		if limit >= 0 && tried+1 > limit {
			return true, nil, fmt.Errorf("after %d failed attempts: %w", tried, failure)
		}
		of := "inf"
		if limit >= 0 {
			of = strconv.Itoa(limit)
		}
		p.GetLogger(ctx).InfoStatusf("%s %d/%s failed: retrying", what, tried+1, of)
		return false, nil, nil
	}})
	if err == nil && !ok {
		err = errors.Join(ctx.Err())
	}
	return result, err
}
