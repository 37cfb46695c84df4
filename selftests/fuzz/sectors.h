/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the fuzzed disk is divided, in sectors of 512 bytes. The driver under
 * attack never names a reserved sector, not even in a mutated header, so these
 * must keep what they hold.
 */
#ifndef KVLANE_FUZZ_SECTORS_H
#define KVLANE_FUZZ_SECTORS_H

/** define DISK_BYTES - size of the disk */
#define DISK_BYTES	(4ULL << 20)
/** define SCRATCH_SECTORS - requests begin below this one */
#define SCRATCH_SECTORS	1024
/** define RESERVED_FIRST - first sector that only checks may touch */
#define RESERVED_FIRST	4096
/** define CHECK_SECTOR - where the check after a reset writes */
#define CHECK_SECTOR	4096
/** define CANARY_SECTOR - from here on nobody writes */
#define CANARY_SECTOR	4608
/** define RESERVED_END - behind the last reserved one: the end of the disk */
#define RESERVED_END	(DISK_BYTES / 512)

#endif
