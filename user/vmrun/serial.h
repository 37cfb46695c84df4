/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_SERIAL_H
#define VMRUN_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_BUFFER 4096

struct machine;

/**
 * struct serial - a 16550A
 * @ier: interrupts enabled
 * @fcr: FIFO control as written
 * @thr_empty: the transmitter became empty and nobody has looked yet
 * @line: the interrupt line is up
 * @polls: reads of the line status in a row
 * @rx: what came from the host; the guest sees the first 16 bytes of it
 * @tx: what goes to the host
 * @timer: the console has been asked to flush @tx
 */
struct serial {
	struct machine *machine;
	pthread_mutex_t lock;
	uint8_t ier, lcr, mcr, scr, fcr, dll, dlm;
	bool thr_empty;
	bool line;
	unsigned int polls;
	uint8_t rx[SERIAL_BUFFER];
	unsigned int rx_first, rx_count;
	uint8_t tx[SERIAL_BUFFER];
	unsigned int tx_count;
	bool timer;
};

void serial_create(struct serial *serial, struct machine *machine);

/**
 * serial_reset() - as after power-on; what is under way in the wires stays
 */
void serial_reset(struct serial *serial);

/**
 * serial_room() - how many bytes serial_receive() will keep
 */
size_t serial_room(struct serial *serial);

/**
 * serial_receive() - bytes from the host; those there is no room for are lost
 */
void serial_receive(struct serial *serial, const char *data, size_t len);

/**
 * serial_flush() - pass on what the guest has sent
 */
void serial_flush(struct serial *serial);

#endif
