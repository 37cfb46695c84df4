// SPDX-License-Identifier: GPL-2.0-only
/*
 * The real-time clock: an MC146818, running on the host's time in UTC.
 *
 * Time that the guest sets is kept as a difference to the host's. Alarm and
 * update interrupts are looked at once a second, and only while one is enabled.
 * There is no periodic interrupt.
 */
#include "rtc.h"
#include "layout.h"
#include "machine.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	SECONDS = 0, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM,
	WEEKDAY, DAY, MONTH, YEAR, REG_A, REG_B, REG_C, REG_D,
	CENTURY = 0x32,
};

#define A_DIVIDER 0x26	/* 32768 Hz, 1024 Hz */
#define A_UPDATING 0x80
#define B_24H 0x02
#define B_BINARY 0x04
#define B_UPDATE 0x10
#define B_ALARM 0x20
#define B_SET 0x80
#define C_UPDATE 0x10
#define C_ALARM 0x20
#define C_IRQ 0x80
#define D_VALID 0x80
#define HOUR_PM 0x80
#define ALARM_ANY 0xc0

/* The clock is about to change for this long before each second. */
#define UPDATE_NS 244000

static void guest_time(const struct rtc *rtc, struct timespec *now)
{
	clock_gettime(CLOCK_REALTIME, now);
	now->tv_sec += rtc->offset;
}

static uint8_t encode(const struct rtc *rtc, unsigned int value)
{
	if (rtc->bytes[REG_B] & B_BINARY)
		return value;
	return value / 10 << 4 | value % 10;
}

static unsigned int decode(const struct rtc *rtc, uint8_t value)
{
	if (rtc->bytes[REG_B] & B_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 0xf);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned int hour)
{
	uint8_t pm = hour >= 12 ? HOUR_PM : 0;

	if (rtc->bytes[REG_B] & B_24H)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 ? hour % 12 : 12) | pm;
}

static unsigned int decode_hour(const struct rtc *rtc, uint8_t value)
{
	unsigned int hour;

	if (rtc->bytes[REG_B] & B_24H)
		return decode(rtc, value);
	hour = decode(rtc, value & ~HOUR_PM) % 12;
	return value & HOUR_PM ? hour + 12 : hour;
}

/* Puts the present time into the registers, unless the guest is setting them. */
static void update_registers(struct rtc *rtc)
{
	struct timespec now;
	struct tm tm;

	if (rtc->bytes[REG_B] & B_SET)
		return;
	guest_time(rtc, &now);
	gmtime_r(&now.tv_sec, &tm);
	rtc->bytes[SECONDS] = encode(rtc, tm.tm_sec);
	rtc->bytes[MINUTES] = encode(rtc, tm.tm_min);
	rtc->bytes[HOURS] = encode_hour(rtc, tm.tm_hour);
	rtc->bytes[WEEKDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->bytes[DAY] = encode(rtc, tm.tm_mday);
	rtc->bytes[MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->bytes[YEAR] = encode(rtc, tm.tm_year % 100);
	rtc->bytes[CENTURY] = encode(rtc, 19 + tm.tm_year / 100);
}

/* Takes the registers as the present time. */
static void set_time(struct rtc *rtc)
{
	const uint8_t *b = rtc->bytes;
	struct tm tm = {
		.tm_sec = decode(rtc, b[SECONDS]),
		.tm_min = decode(rtc, b[MINUTES]),
		.tm_hour = decode_hour(rtc, b[HOURS]),
		.tm_mday = decode(rtc, b[DAY]),
		.tm_mon = decode(rtc, b[MONTH]) - 1,
		.tm_year = (decode(rtc, b[CENTURY]) - 19) * 100 + decode(rtc, b[YEAR]),
	};

	rtc->offset = timegm(&tm) - time(NULL);
}

static void update_line(struct rtc *rtc)
{
	bool up = rtc->bytes[REG_B] & rtc->bytes[REG_C] & (C_UPDATE | C_ALARM);

	if (up)
		rtc->bytes[REG_C] |= C_IRQ;
	if (up == rtc->line)
		return;
	rtc->line = up;
	if (up)
		irq_raise(&rtc->machine->irq, GSI_RTC);
	else
		irq_lower(&rtc->machine->irq, GSI_RTC);
}

static bool alarm_matches(const struct rtc *rtc)
{
	const uint8_t *b = rtc->bytes;

	return (b[SECONDS_ALARM] >= ALARM_ANY || b[SECONDS_ALARM] == b[SECONDS]) &&
	       (b[MINUTES_ALARM] >= ALARM_ANY || b[MINUTES_ALARM] == b[MINUTES]) &&
	       (b[HOURS_ALARM] >= ALARM_ANY || b[HOURS_ALARM] == b[HOURS]);
}

static void on_tick(struct watch *watch, uint32_t events)
{
	struct rtc *rtc = watch->owner;
	uint64_t count;

	if (read(watch->fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&rtc->lock);
	update_registers(rtc);
	rtc->bytes[REG_C] |= C_UPDATE;
	if (alarm_matches(rtc))
		rtc->bytes[REG_C] |= C_ALARM;
	update_line(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

/* The timer runs while an interrupt is enabled, on full seconds. */
static void set_tick(struct rtc *rtc)
{
	struct itimerspec ticks = {};

	if (rtc->bytes[REG_B] & (B_UPDATE | B_ALARM)) {
		ticks.it_interval.tv_sec = 1;
		ticks.it_value.tv_sec = time(NULL) + 1;
	}
	timerfd_settime(rtc->tick.fd, TFD_TIMER_ABSTIME, &ticks, NULL);
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	uint8_t old = rtc->bytes[REG_B];

	value &= B_24H | B_BINARY | B_UPDATE | B_ALARM | B_SET;
	if (value & ~old & B_SET) {
		update_registers(rtc);
		value &= ~B_UPDATE;
	}
	if (old & ~value & B_SET)
		set_time(rtc);
	rtc->bytes[REG_B] = value;
	if ((value ^ old) & (B_UPDATE | B_ALARM))
		set_tick(rtc);
}

static void write_register(struct rtc *rtc, uint8_t value)
{
	switch (rtc->index) {
	case REG_A:
		break;
	case REG_B:
		write_b(rtc, value);
		break;
	case REG_C:
	case REG_D:
		break;
	case SECONDS:
	case MINUTES:
	case HOURS:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CENTURY:
		update_registers(rtc);
		rtc->bytes[rtc->index] = value;
		if (!(rtc->bytes[REG_B] & B_SET))
			set_time(rtc);
		break;
	default:
		rtc->bytes[rtc->index] = value;
	}
}

static uint8_t read_register(struct rtc *rtc)
{
	struct timespec now;
	uint8_t value;

	switch (rtc->index) {
	case REG_A:
		guest_time(rtc, &now);
		return now.tv_nsec >= 1000000000 - UPDATE_NS ? A_DIVIDER | A_UPDATING : A_DIVIDER;
	case REG_C:
		value = rtc->bytes[REG_C];
		rtc->bytes[REG_C] = 0;
		return value;
	default:
		update_registers(rtc);
		return rtc->bytes[rtc->index];
	}
}

static void rtc_access(void *owner, uint64_t offset, void *data, unsigned int len, bool is_write)
{
	struct rtc *rtc = owner;
	uint8_t *bytes = data;

	pthread_mutex_lock(&rtc->lock);
	for (unsigned int i = 0; i < len; i++) {
		if (!is_write)
			bytes[i] = offset + i ? read_register(rtc) : 0xff;
		else if (offset + i)
			write_register(rtc, bytes[i]);
		else
			rtc->index = bytes[i] & (RTC_BYTES - 1);
	}
	update_line(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

void rtc_create(struct rtc *rtc, struct machine *machine)
{
	rtc->machine = machine;
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->bytes[REG_B] = B_24H;
	rtc->bytes[REG_D] = D_VALID;
	rtc->tick = (struct watch){
		timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK), on_tick, rtc,
	};
	if (rtc->tick.fd < 0 || loop_add(&machine->loop, &rtc->tick, EPOLLIN))
		fail(STATUS_FAILURE, "clock: %s", strerror(errno));
	bus_add(&machine->ports, PORT_RTC, 2, rtc_access, rtc);
}

void rtc_reset(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	rtc->bytes[REG_B] &= ~(B_UPDATE | B_ALARM | B_SET);
	rtc->bytes[REG_C] = 0;
	rtc->index = 0;
	set_tick(rtc);
	update_line(rtc);
	pthread_mutex_unlock(&rtc->lock);
}
