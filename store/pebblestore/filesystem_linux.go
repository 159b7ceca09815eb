package pebblestore

import (
	"fmt"
	"syscall"
)

// fileSystem reads what dir lies on. The numbers are from statfs(2).
func fileSystem(dir string) (disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return disk{}, err
	}
	switch number := uint32(s.Type); number {
	case 0x01021994:
		return disk{"tmpfs", volatile}, nil
	case 0x858458f6:
		return disk{"ramfs", volatile}, nil
	case 0x6969:
		return disk{"NFS", remote}, nil
	case 0xff534d42, 0xfe534d42, 0x517b:
		return disk{"SMB", remote}, nil
	case 0x65735546:
		return disk{"FUSE", remote}, nil
	case 0x01021997:
		return disk{"9P", remote}, nil
	case 0x00c36400:
		return disk{"Ceph", remote}, nil
	case 0xef53:
		return disk{"ext4", local}, nil
	case 0x58465342:
		return disk{"XFS", local}, nil
	case 0x9123683e:
		return disk{"Btrfs", local}, nil
	case 0x2fc12fc1:
		return disk{"ZFS", local}, nil
	case 0x794c7630:
		return disk{"overlayfs", local}, nil
	default:
		return disk{fmt.Sprintf("a file system of type %#x", number), local}, nil
	}
}
