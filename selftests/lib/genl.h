/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generic netlink by hand: messages put together and taken apart, with nothing between
 * them and the socket.
 */
#ifndef KVLANE_TEST_GENL_H
#define KVLANE_TEST_GENL_H

#include <stddef.h>
#include <stdint.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>

/**
 * struct genl_message - a message on its way out or in
 * @head: what netlink wants to know
 * @genl: which command
 * @attributes: what it is about
 */
struct genl_message {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attributes[8192];
};

/**
 * genl_payload() - what is in an attribute
 * @a: the attribute
 */
void *genl_payload(const struct nlattr *a);

/**
 * genl_next() - go through attributes
 * @from: where they begin
 * @a: the one before, or NULL for the first
 * @end: where they end
 *
 * Return: the attribute, or NULL after the last.
 */
struct nlattr *genl_next(char *from, struct nlattr *a, char *end);

/**
 * genl_begin() - a message without attributes
 * @m: filled in
 * @family: whose command it is
 * @cmd: the command
 */
void genl_begin(struct genl_message *m, uint16_t family, uint8_t cmd);

/**
 * genl_put() - add an attribute, for which there is room
 * @m: the message
 * @type: of the attribute
 * @data: what is in it
 * @size: bytes of it
 */
void genl_put(struct genl_message *m, uint16_t type, const void *data, size_t size);

/**
 * genl_open() - a socket for generic netlink, in the caller's network namespace
 *
 * Return: the socket, or a negative errno.
 */
int genl_open(void);

/**
 * genl_ask() - send a message and wait for what comes back
 * @fd: the socket
 * @m: the message; filled in with the answer
 *
 * Return: 0 or a negative errno.
 */
int genl_ask(int fd, struct genl_message *m);

/**
 * genl_describe() - ask for all there is to know of a family
 * @fd: the socket
 * @name: of the family
 * @m: filled in
 *
 * Return: 0 or a negative errno.
 */
int genl_describe(int fd, const char *name, struct genl_message *m);

#endif
