// Package hypervisor stands in for the virtual machines that an autoscaled instance would nest.
package hypervisor

// VirtualMachine is one of them.
type VirtualMachine interface {
	GetId() string
	GetAddr() string
}
