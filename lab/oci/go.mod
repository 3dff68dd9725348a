module pi-runners/lab/oci

go 1.26
