/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A source of randomness that says something only when it is told to, such as a slow hwrng:
 * a terminal.
 */
#ifndef KVLANE_TEST_SILENT_H
#define KVLANE_TEST_SILENT_H

/**
 * struct silent - the source
 * @fd: its descriptor, for device_set_rng()
 * @master: the other end of the terminal
 */
struct silent {
	int fd;
	int master;
};

/**
 * silent_open() - make a source
 * @s: filled in
 *
 * Return: 0 or a negative errno.
 */
int silent_open(struct silent *s);

/**
 * silent_speak() - have it deliver "seed" and the end of the line
 * @s: the source
 *
 * Return: 0 or a negative errno.
 */
int silent_speak(struct silent *s);

/**
 * silent_close() - remove the source
 * @s: the source; may be opened in part
 */
void silent_close(struct silent *s);

#endif
