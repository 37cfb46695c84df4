/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_POWER_H
#define VMRUN_POWER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct machine;

/* Offsets from PORT_PM of the blocks the FADT names. */
#define PM_EVENT	0	/* status and enable, 2 bytes each */
#define PM_CONTROL	4	/* 2 bytes */
#define PM_TIMER	8	/* 4 bytes */
#define PM_SIZE		12

/* The sleep type that \_S5 in dsdt.asl names. */
#define PM_SLEEP_OFF	5

/* What has to be written to PORT_RESET. */
#define RESET_VALUE	6

/**
 * struct power - ACPI fixed hardware: power button, power-off, timer
 * @status: PM1 status
 * @enable: PM1 enable
 * @control: PM1 control
 * @line: the SCI is up
 */
struct power {
	struct machine *machine;
	pthread_mutex_t lock;
	uint16_t status;
	uint16_t enable;
	uint16_t control;
	bool line;
};

void power_create(struct power *power, struct machine *machine);
void power_reset(struct power *power);

/**
 * power_press_button() - press and let go of the power button
 */
void power_press_button(struct power *power);

#endif
