// SPDX-License-Identifier: GPL-2.0-only
/* The limits of a throttle, as people write them. */
#include "limit.h"
#include "number.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* For each limit the name in each kind; what is accepted beside that is below. */
static const char *const names[KVLANE_NR_LIMITS][LIMITS_GROUP + 1] = {
	[KVLANE_LIMIT_OPS] = { "iops", "pps", "ops" },
	[KVLANE_LIMIT_OPS_READ] = { "iops-read", "pps-in", "ops-read" },
	[KVLANE_LIMIT_OPS_WRITE] = { "iops-write", "pps-out", "ops-write" },
	[KVLANE_LIMIT_BYTES] = { "bps", "bps", "bps" },
	[KVLANE_LIMIT_BYTES_READ] = { "bps-read", "bps-in", "bps-read" },
	[KVLANE_LIMIT_BYTES_WRITE] = { "bps-write", "bps-out", "bps-write" },
};

const char *limits_name(enum kvlane_limit limit, enum limits_kind kind)
{
	return names[limit][kind];
}

static bool is_called(const char *text, size_t len, enum kvlane_limit limit, enum limits_kind kind)
{
	const char *name = names[limit][kind];

	return strlen(name) == len && !strncmp(text, name, len);
}

/* Returns the limit of this name, or KVLANE_NR_LIMITS. */
static enum kvlane_limit find(const char *text, size_t len, enum limits_kind kind)
{
	enum kvlane_limit limit;

	for (limit = 0; limit < KVLANE_NR_LIMITS; limit++) {
		if (is_called(text, len, limit, kind))
			break;
		/* A group may have members of any kind. */
		if (kind == LIMITS_GROUP && (is_called(text, len, limit, LIMITS_DISK) ||
					     is_called(text, len, limit, LIMITS_NET)))
			break;
	}
	return limit;
}

static bool is_bytes(enum kvlane_limit limit)
{
	return limit >= KVLANE_LIMIT_BYTES;
}

static bool parse_amount(const char *text, enum kvlane_limit limit, __u64 *value)
{
	uint64_t n;

	if (is_bytes(limit) ? !size_parse(text, &n) || n > KVLANE_MAX_RATE :
			      !number_parse(text, 0, KVLANE_MAX_RATE, &n))
		return false;
	*value = n;
	return true;
}

/* Decimal, as milliseconds; further digits do not count. */
static bool parse_seconds(const char *text, __u32 *ms)
{
	unsigned int sum = 0, unit = 1000;
	bool is_whole = true;

	for (; isdigit((unsigned char)*text) || (*text == '.' && is_whole); text++) {
		if (*text == '.') {
			is_whole = false;
		} else if (is_whole) {
			sum = 10 * sum + unit * (*text - '0');
		} else {
			unit /= 10;
			sum += unit * (*text - '0');
		}
		if (sum > KVLANE_MAX_BURST_MS)
			return false;
	}
	*ms = sum;
	return !*text && sum;
}

/* Takes "RATE" or "RATE:BURST:SECONDS" apart; false if it is neither. */
static bool split(const char *value, char *parts, size_t len, const char **burst,
		  const char **seconds)
{
	char *colon;

	*burst = NULL;
	*seconds = NULL;
	if (strlen(value) >= len)
		return false;
	strcpy(parts, value);
	colon = strchr(parts, ':');
	if (!colon)
		return true;
	*colon = 0;
	*burst = colon + 1;
	colon = strchr(*burst, ':');
	if (!colon)
		return false;
	*colon = 0;
	*seconds = colon + 1;
	return true;
}

/* By whether bytes are limited. */
static const char *const rate_mends[] = {
	"give up to 10^12 per second such as 500, or RATE:BURST:SECONDS such as 500:2000:10",
	"give bytes per second up to 931G such as 50M, or RATE:BURST:SECONDS such as 50M:200M:10",
};

static const char *parse_rate(const char *value, enum kvlane_limit limit, struct kvlane_rate *rate)
{
	const char *burst, *seconds;
	char parts[80];

	*rate = (struct kvlane_rate){};
	if (!split(value, parts, sizeof(parts), &burst, &seconds) ||
	    !parse_amount(parts, limit, &rate->rate) ||
	    (burst && !parse_amount(burst, limit, &rate->burst)))
		return rate_mends[is_bytes(limit)];
	if (!burst)
		return NULL;
	if (!rate->rate || rate->burst <= rate->rate ||
	    rate->burst > rate->rate * KVLANE_MAX_BURST_RATIO)
		return "give a burst above the rate, and no more than a million times as high";
	if (!parse_seconds(seconds, &rate->burst_ms))
		return "give a burst 0.001 to 3600 seconds";
	return NULL;
}

const char *limits_parse(const char *word, enum limits_kind kind, struct kvlane_rate *limits,
			 bool *is_limit)
{
	size_t len = strcspn(word, "=");
	enum kvlane_limit limit = find(word, len, kind);
	struct kvlane_rate rate;
	const char *wrong;

	*is_limit = word[len] && limit < KVLANE_NR_LIMITS;
	if (!*is_limit)
		return NULL;
	wrong = parse_rate(word + len + 1, limit, &rate);
	if (!wrong)
		limits[limit] = rate;
	return wrong;
}

bool limits_any(const struct kvlane_rate *limits)
{
	for (unsigned int i = 0; i < KVLANE_NR_LIMITS; i++) {
		if (limits[i].rate)
			return true;
	}
	return false;
}

/* In the largest unit that leaves nothing out. */
static int format_amount(uint64_t value, enum kvlane_limit limit, char *buf, size_t len)
{
	static const char units[] = "KMGT";
	int i = -1;

	while (is_bytes(limit) && value && value % 1024 == 0 && i < 3) {
		value /= 1024;
		i++;
	}
	return snprintf(buf, len, "%llu%.*s", (unsigned long long)value, i < 0 ? 0 : 1,
			i < 0 ? "" : units + i);
}

char *limits_format(const struct kvlane_rate *limits, enum limits_kind kind, char *buf)
{
	size_t used = 0;

	if (!limits_any(limits))
		return strcpy(buf, "none");
	for (enum kvlane_limit i = 0; i < KVLANE_NR_LIMITS; i++) {
		if (!limits[i].rate)
			continue;
		used += snprintf(buf + used, LIMITS_TEXT - used, "%s%s=", used ? " " : "",
				 limits_name(i, kind));
		used += format_amount(limits[i].rate, i, buf + used, LIMITS_TEXT - used);
		if (!limits[i].burst)
			continue;
		buf[used++] = ':';
		used += format_amount(limits[i].burst, i, buf + used, LIMITS_TEXT - used);
		used += snprintf(buf + used, LIMITS_TEXT - used, ":%g",
				 limits[i].burst_ms / 1000.0);
	}
	return buf;
}
