// SPDX-License-Identifier: GPL-2.0-only
/* ACPI fixed hardware (ACPI 6.5, 4.8.3) and the reset register. */
#include "power.h"
#include "layout.h"
#include "machine.h"
#include "number.h"

#include <string.h>

#define PM1_BUTTON (1U << 8)	/* in status and enable */
#define PM1_GLOBAL (1U << 5)
#define PM1_CLOCK (1U << 10)
#define PM1_SCI_ENABLED (1U << 0)
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP (1U << 13)

#define TIMER_HZ 3579545ULL

static void update_line(struct power *p)
{
	bool up = p->status & p->enable & PM1_BUTTON;

	if (up == p->line)
		return;
	p->line = up;
	if (up)
		irq_raise(&p->machine->irq, GSI_SCI);
	else
		irq_lower(&p->machine->irq, GSI_SCI);
}

static uint32_t read_timer(void)
{
	return (__uint128_t)now_ns() * TIMER_HZ / 1000000000;
}

static void write_control(struct power *p, uint16_t value)
{
	if (value & PM1_SLEEP && (value >> PM1_SLEEP_TYPE_SHIFT & 7) == PM_SLEEP_OFF)
		machine_end(p->machine, STATUS_OK, NULL);
	p->control = (value & ~PM1_SLEEP) | PM1_SCI_ENABLED;
}

/* The whole block as bytes; writes change only those that @offset and @len cover. */
static void power_access(void *owner, uint64_t offset, void *data, unsigned int len,
			 bool is_write)
{
	struct power *p = owner;
	uint16_t event[2] = {}, control;
	uint8_t block[PM_SIZE];
	uint32_t timer;

	pthread_mutex_lock(&p->lock);
	event[0] = is_write ? 0 : p->status;
	event[1] = p->enable;
	control = p->control;
	timer = read_timer();
	memcpy(block + PM_EVENT, event, 4);
	memcpy(block + PM_CONTROL, &control, 2);
	memset(block + PM_CONTROL + 2, 0, 2);
	memcpy(block + PM_TIMER, &timer, 4);
	if (!is_write) {
		memcpy(data, block + offset, len);
	} else {
		memcpy(block + offset, data, len);
		memcpy(event, block + PM_EVENT, 4);
		memcpy(&control, block + PM_CONTROL, 2);
		p->status &= ~event[0];
		p->enable = event[1] & (PM1_BUTTON | PM1_GLOBAL | PM1_CLOCK);
		if (offset < PM_TIMER && offset + len > PM_CONTROL)
			write_control(p, control);
		update_line(p);
	}
	pthread_mutex_unlock(&p->lock);
}

void power_create(struct power *power, struct machine *machine)
{
	power->machine = machine;
	pthread_mutex_init(&power->lock, NULL);
	power->control = PM1_SCI_ENABLED;
	bus_add(&machine->ports, PORT_PM, PM_SIZE, power_access, power);
}

void power_reset(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	power->status = 0;
	power->enable = 0;
	power->control = PM1_SCI_ENABLED;
	update_line(power);
	pthread_mutex_unlock(&power->lock);
}

void power_press_button(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	power->status |= PM1_BUTTON;
	update_line(power);
	pthread_mutex_unlock(&power->lock);
}
