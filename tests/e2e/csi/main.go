// Command folders is a CSI driver for tests: a volume is a folder of the node with the name of its handle.
//
// As a network file system does, it mounts one volume for several claims, and keeps a volume read-only that is
// published so. It has no controller and nothing to attach or stage: volumes are PersistentVolumes that a test writes.
package main

import (
	"context"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	registration.UnsafeRegistrationServer
	name, node, folder, socket string
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: folders NAME NODE KUBELET-FOLDER FOLDER-OF-VOLUMES")
	}
	name, kubelet := os.Args[1], os.Args[3]
	own := filepath.Join(kubelet, "plugins", name)
	must(os.MkdirAll(own, 0o750))
	d := &driver{name: name, node: os.Args[2], folder: os.Args[4], socket: filepath.Join(own, "csi.sock")}
	volumes := grpc.NewServer()
	csi.RegisterIdentityServer(volumes, d)
	csi.RegisterNodeServer(volumes, d)
	go serve(volumes, d.socket)
	announced := grpc.NewServer()
	registration.RegisterRegistrationServer(announced, d)
	serve(announced, filepath.Join(kubelet, "plugins_registry", name+"-reg.sock"))
}

func serve(server *grpc.Server, socket string) {
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	must(err)
	must(server.Serve(listener))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (d *driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: d.name, Endpoint: d.socket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (d *driver) NotifyRegistrationStatus(
	_ context.Context, state *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !state.PluginRegistered {
		log.Fatal(state.Error)
	}
	log.Print("registered")
	return &registration.RegistrationStatusResponse{}, nil
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

func (d *driver) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

func (d *driver) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (d *driver) NodePublishVolume(
	_ context.Context, request *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	if request.VolumeId == "" || strings.ContainsAny(request.VolumeId, "/") || strings.HasPrefix(request.VolumeId, ".") {
		return nil, status.Error(codes.InvalidArgument, "the handle is no name of a folder")
	}
	source, target := filepath.Join(d.folder, request.VolumeId), request.TargetPath
	if _, err := os.Stat(source); err != nil {
		return nil, status.Error(codes.NotFound, "there is no volume "+request.VolumeId)
	}
	mode := request.GetVolumeCapability().GetAccessMode().GetMode()
	readOnly := request.Readonly || mode == csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := mount(source, target, readOnly); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	log.Printf("published %s, read-only: %t, mode: %s", request.VolumeId, readOnly, mode)
	return &csi.NodePublishVolumeResponse{}, nil
}

func mount(source, target string, readOnly bool) error {
	if err := syscall.Mount(source, target, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	if !readOnly {
		return nil
	}
	return syscall.Mount("", target, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}

func (d *driver) NodeUnpublishVolume(
	_ context.Context, request *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	for syscall.Unmount(request.TargetPath, 0) == nil {
	}
	if err := os.Remove(request.TargetPath); err != nil && !os.IsNotExist(err) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}
