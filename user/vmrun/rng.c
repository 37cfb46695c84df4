// SPDX-License-Identifier: GPL-2.0-only
/* The entropy source. */
#include "rng.h"
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int rng_open(const struct rng_config *rng)
{
	struct stat st;
	int fd;

	if (!rng->source)
		return -1;
	fd = open(rng->source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st))
		fail(STATUS_USAGE, "--rng %s: %s; give a source such as /dev/hwrng, or none",
		     rng->source, strerror(errno));
	if (!S_ISCHR(st.st_mode) && !S_ISREG(st.st_mode))
		fail(STATUS_USAGE, "--rng %s: neither a character device nor a file; give one",
		     rng->source);
	return fd;
}

void rng_plug(struct machine *machine, int fd)
{
	const struct rng_config *rng = &machine->config->rng;
	const struct device_shape shape = { .type = VIRTIO_ID_RNG, .queues = 1 };
	struct kvlane_backend backend = {
		.fd = fd,
		.rng.bytes_per_second = rng->rate,
	};

	virtio_create(machine, "rng", rng->source ? rng->source : "the host's generator",
		      &shape, &backend);
}
