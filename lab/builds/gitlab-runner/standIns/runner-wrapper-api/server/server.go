// Package server stands in for the wrapper's gRPC server: it listens to nobody.
package server

import (
	"net"

	"github.com/sirupsen/logrus"
)

// Server answers nobody.
type Server struct{ log logrus.FieldLogger }

// New is such a server for any wrapper.
func New(log logrus.FieldLogger, _ any) *Server { return &Server{log} }

// Listen says that it does not.
func (server *Server) Listen(listener net.Listener) {
	server.log.Error("this build of gitlab-runner leaves out the wrapper's server: nobody is listened to")
	_ = listener.Close()
}

// Stop has nothing to stop.
func (*Server) Stop() {}
