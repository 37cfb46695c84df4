// SPDX-License-Identifier: GPL-2.0-only
/*
 * A serial port: the 16550A at COM1.
 *
 * It sends as fast as the host takes it.  Bytes are gathered until a newline or
 * for a few milliseconds, whichever comes first.  When the host does not take
 * them the transmitter stays busy, as on a slow line.
 *
 * Received bytes stay "in the wire" until the guest enables the receive
 * interrupt or polls for them, so nothing is lost that was sent to it early.
 */
#include "serial.h"
#include "layout.h"
#include "machine.h"
#include "number.h"

#include <linux/serial_reg.h>
#include <string.h>

#define FIFO_SIZE 16
#define POLLS_TO_RECEIVE 64
#define MSR_CONNECTED (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
#define IER_MASK 0x0f

static bool receiving(const struct serial *s)
{
	return s->rx_count && (s->ier & UART_IER_RDI || s->polls > POLLS_TO_RECEIVE);
}

static unsigned int trigger_level(const struct serial *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return s->fcr & UART_FCR_ENABLE_FIFO ? levels[s->fcr >> 6] : 1;
}

static uint8_t pending_interrupt(const struct serial *s)
{
	if (s->ier & UART_IER_RDI && s->rx_count)
		return s->rx_count >= trigger_level(s) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT;
	if (s->ier & UART_IER_THRI && s->thr_empty)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void update_line(struct serial *s)
{
	bool up = s->mcr & UART_MCR_OUT2 && pending_interrupt(s) != UART_IIR_NO_INT;

	if (up == s->line)
		return;
	s->line = up;
	if (up)
		irq_raise(&s->machine->irq, GSI_SERIAL);
	else
		irq_lower(&s->machine->irq, GSI_SERIAL);
}

static void flush(struct serial *s)
{
	bool was_full = s->tx_count == SERIAL_BUFFER;
	size_t n;

	while (s->tx_count) {
		n = console_write(&s->machine->console, s->tx, s->tx_count);
		if (!n)
			break;
		s->tx_count -= n;
		memmove(s->tx, s->tx + n, s->tx_count);
	}
	if (was_full && s->tx_count < SERIAL_BUFFER)
		s->thr_empty = true;
	if (s->tx_count && !s->timer) {
		s->timer = true;
		console_flush_soon(&s->machine->console);
	}
}

static void send(struct serial *s, uint8_t byte)
{
	if (!s->machine->moments.serial)
		s->machine->moments.serial = now_ns();
	if (s->tx_count == SERIAL_BUFFER)
		return;
	s->tx[s->tx_count++] = byte;
	if (byte == '\n' || s->tx_count == SERIAL_BUFFER) {
		flush(s);
	} else if (!s->timer) {
		s->timer = true;
		console_flush_soon(&s->machine->console);
	}
	s->thr_empty = s->tx_count < SERIAL_BUFFER;
}

static void receive(struct serial *s, uint8_t byte)
{
	if (s->rx_count < SERIAL_BUFFER)
		s->rx[(s->rx_first + s->rx_count++) % SERIAL_BUFFER] = byte;
}

static void drop_received(struct serial *s, unsigned int count)
{
	s->rx_first = (s->rx_first + count) % SERIAL_BUFFER;
	s->rx_count -= count;
	if (!s->rx_count)
		console_has_room(&s->machine->console);
}

static uint8_t read_data(struct serial *s)
{
	uint8_t byte = 0;

	if (receiving(s)) {
		byte = s->rx[s->rx_first];
		drop_received(s, 1);
	}
	return byte;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t iir = pending_interrupt(s);

	if (iir == UART_IIR_THRI)
		s->thr_empty = false;
	return s->fcr & UART_FCR_ENABLE_FIFO ? iir | 0xc0 : iir;
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr = 0;

	if (s->polls <= POLLS_TO_RECEIVE)
		s->polls++;
	if (receiving(s))
		lsr |= UART_LSR_DR;
	if (s->tx_count < SERIAL_BUFFER)
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;
	return lsr;
}

static uint8_t read_msr(const struct serial *s)
{
	uint8_t msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static uint8_t read_register(struct serial *s, unsigned int reg)
{
	bool latch = s->lcr & UART_LCR_DLAB;

	if (reg != UART_LSR && reg != UART_RX)
		s->polls = 0;
	switch (reg) {
	case UART_RX:
		return latch ? s->dll : read_data(s);
	case UART_IER:
		return latch ? s->dlm : s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void write_data(struct serial *s, uint8_t value)
{
	if (s->mcr & UART_MCR_LOOP) {
		receive(s, value);
		s->thr_empty = true;
	} else {
		send(s, value);
	}
}

static void write_ier(struct serial *s, uint8_t value)
{
	value &= IER_MASK;
	/* Enabling the interrupt of an empty transmitter raises it. */
	if (value & ~s->ier & UART_IER_THRI)
		s->thr_empty = s->tx_count < SERIAL_BUFFER;
	s->ier = value;
}

static void write_fcr(struct serial *s, uint8_t value)
{
	if (value & UART_FCR_CLEAR_RCVR && receiving(s))
		drop_received(s, s->rx_count < FIFO_SIZE ? s->rx_count : FIFO_SIZE);
	s->fcr = value;
}

static void write_register(struct serial *s, unsigned int reg, uint8_t value)
{
	bool latch = s->lcr & UART_LCR_DLAB;

	s->polls = 0;
	switch (reg) {
	case UART_TX:
		if (latch)
			s->dll = value;
		else
			write_data(s, value);
		break;
	case UART_IER:
		if (latch)
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		s->mcr = value & 0x1f;
		break;
	case UART_SCR:
		s->scr = value;
		break;
	}
}

static void serial_access(void *owner, uint64_t offset, void *data, unsigned int len,
			  bool is_write)
{
	struct serial *s = owner;
	uint8_t *bytes = data;

	pthread_mutex_lock(&s->lock);
	for (unsigned int i = 0; i < len; i++) {
		if (is_write)
			write_register(s, offset + i, bytes[i]);
		else
			bytes[i] = read_register(s, offset + i);
	}
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_create(struct serial *serial, struct machine *machine)
{
	serial->machine = machine;
	pthread_mutex_init(&serial->lock, NULL);
	serial_reset(serial);
	bus_add(&machine->ports, PORT_SERIAL, 8, serial_access, serial);
}

void serial_reset(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	serial->ier = 0;
	serial->lcr = UART_LCR_WLEN8;
	serial->mcr = 0;
	serial->scr = 0;
	serial->fcr = 0;
	serial->dll = 12;
	serial->dlm = 0;
	serial->thr_empty = false;
	serial->polls = 0;
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

size_t serial_room(struct serial *serial)
{
	size_t room;

	pthread_mutex_lock(&serial->lock);
	room = SERIAL_BUFFER - serial->rx_count;
	pthread_mutex_unlock(&serial->lock);
	return room;
}

void serial_receive(struct serial *serial, const char *data, size_t len)
{
	pthread_mutex_lock(&serial->lock);
	while (len--)
		receive(serial, *data++);
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

void serial_flush(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	serial->timer = false;
	flush(serial);
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}
