/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_RTC_H
#define VMRUN_RTC_H

#include "loop.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define RTC_BYTES 128

struct machine;

/**
 * struct rtc - an MC146818 clock with 114 bytes of memory
 * @index: the register that is selected
 * @bytes: registers and memory
 * @offset: seconds the guest's clock is ahead of the host's
 * @line: the interrupt line is up
 * @tick: once a second, while the guest wants to know
 */
struct rtc {
	struct machine *machine;
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t bytes[RTC_BYTES];
	int64_t offset;
	bool line;
	struct watch tick;
};

void rtc_create(struct rtc *rtc, struct machine *machine);

/**
 * rtc_reset() - no more interrupts; the time goes on
 */
void rtc_reset(struct rtc *rtc);

#endif
