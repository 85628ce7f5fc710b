// SPDX-License-Identifier: GPL-2.0-or-later
/* One connection to another daemon: see chan.h. */
#include "daemon/cluster/chan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/node/config.h"

#define OUT_MAX		(9 * 1024 * 1024)	/* a message of the consensus engine, and some */
#define FRAMES_PER_TURN	16	/* one peer can't keep the loop to itself */
#define UNREAD_MAX	64	/* reads of what a closed channel leaves unread */

struct hcd_chan {
	uv_poll_t poll;
	uv_timer_t timer;		/* bounds connect and handshake */
	unsigned int nr_open;		/* of these two: freed with the last */
	int fd;
	int events;			/* that are polled for; 0 = none yet */
	bool is_connecting;
	bool is_done;			/* handshake is over */
	bool is_closing;		/* no callback any more */
	int error;			/* of the socket, which says it once only: -errno */
	struct hcd_hs hs;
	const struct hcd_chan_ops *ops;
	void *ctx;
	struct hcd_out first;		/* dialer: HELLO, sent once connected */
	uint8_t tx_key[HCD_KEY_LEN], rx_key[HCD_KEY_LEN];
	uint64_t tx_seq, rx_seq;
	uint8_t *in;			/* one frame at most */
	size_t in_len, in_size;
	uint8_t *out;			/* [out_start, out_len) waits */
	size_t out_start, out_len, out_size;
	char address[INET6_ADDRSTRLEN + 8];
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_uv_closed(uv_handle_t *handle)
{
	struct hcd_chan *chan = handle->data;

	if (--chan->nr_open)
		return;
	explicit_bzero(chan->tx_key, sizeof(chan->tx_key));
	explicit_bzero(chan->rx_key, sizeof(chan->rx_key));
	free(chan->in);
	free(chan->out);
	free(chan);
}

/* Leave the loop; the memory goes when libuv has let go of it. */
static void detach(struct hcd_chan *chan)
{
	chan->is_closing = true;
	uv_poll_stop(&chan->poll);
	uv_close((uv_handle_t *)&chan->poll, on_uv_closed);
	uv_close((uv_handle_t *)&chan->timer, on_uv_closed);
}

/* As much as the socket takes. Return: 0 or -errno. */
static int flush(struct hcd_chan *chan)
{
	while (chan->out_start < chan->out_len) {
		ssize_t n = send(chan->fd, chan->out + chan->out_start,
				 chan->out_len - chan->out_start, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		chan->out_start += (size_t)n;
	}
	chan->out_start = chan->out_len = 0;
	return 0;
}

static void watch(struct hcd_chan *chan)
{
	int events = UV_READABLE;

	if (chan->is_connecting)
		events = UV_WRITABLE;
	else if (chan->out_start < chan->out_len)
		events |= UV_WRITABLE;
	if (events == chan->events)	/* libuv takes it out of epoll and puts it in again */
		return;
	chan->events = events;
	uv_poll_start(&chan->poll, events, on_poll);
}

static int queue(struct hcd_chan *chan, const uint8_t *bytes, size_t len)
{
	size_t need;
	uint8_t *out;

	if (chan->out_start) {
		memmove(chan->out, chan->out + chan->out_start, chan->out_len - chan->out_start);
		chan->out_len -= chan->out_start;
		chan->out_start = 0;
	}
	need = chan->out_len + len;
	if (need > OUT_MAX)
		return -ENOBUFS;
	if (need > chan->out_size) {
		out = realloc(chan->out, need);
		if (!out)
			return -ENOMEM;
		chan->out = out;
		chan->out_size = need;
	}
	memcpy(chan->out + chan->out_len, bytes, len);
	chan->out_len += len;
	return 0;
}

static void end(struct hcd_chan *chan, enum hcd_refusal code, const char *reason)
{
	flush(chan);
	detach(chan);
	close(chan->fd);
	chan->fd = -1;
	chan->ops->closed(chan, code, reason, chan->ctx);
}

static void end_errno(struct hcd_chan *chan, int r)
{
	r = chan->error ? chan->error : r;
	end(chan, HCD_REFUSE_NONE, r == -ENODATA ? "the other end closed the connection" :
						   strerror(-r));
}

/* Both have proved their key and our last frame is out: the channel belongs to its user. */
static void announce(struct hcd_chan *chan)
{
	chan->is_done = true;
	uv_timer_stop(&chan->timer);
	if (hcd_hs_keys(&chan->hs, chan->tx_key, chan->rx_key) < 0) {
		end(chan, HCD_REFUSE_PROTOCOL, "HMAC-SHA256 can't be computed here");
		return;
	}
	chan->ops->ready(chan, chan->ctx);
}

static void handshake_frame(struct hcd_chan *chan, const struct hcd_frame *frame)
{
	struct hcd_out out;
	int r, q;

	r = hcd_hs_input(&chan->hs, frame, &out);
	q = out.len ? queue(chan, out.bytes, out.len) : 0;
	if (r >= 0 && q < 0)
		end_errno(chan, q);
	else if (r < 0)
		end(chan, chan->hs.code, chan->hs.reason);
}

static void user_frame(struct hcd_chan *chan, struct hcd_frame *frame)
{
	uint8_t mac[HCD_MAC_LEN];

	if (frame->len < HCD_MAC_LEN) {
		end(chan, HCD_REFUSE_PROTOCOL, "a frame came without its MAC");
		return;
	}
	frame->len -= HCD_MAC_LEN;
	if (hcd_auth_frame_mac(chan->rx_key, chan->rx_seq, chan->in, frame->payload, frame->len,
			       mac) < 0 ||
	    !hcd_auth_equal(mac, frame->payload + frame->len)) {
		end(chan, HCD_REFUSE_KEY, "a frame was changed, repeated or left out on its way");
		return;
	}
	chan->rx_seq++;
	chan->ops->frame(chan, frame, chan->ctx);
}

/* Read exactly up to @need bytes. Return: 1 got them, 0 not yet, -errno, -ENODATA at the end. */
static int fill(struct hcd_chan *chan, size_t need)
{
	uint8_t *in;

	if (need > chan->in_size) {
		in = realloc(chan->in, need);
		if (!in)
			return -ENOMEM;
		chan->in = in;
		chan->in_size = need;
	}
	while (chan->in_len < need) {
		ssize_t n = recv(chan->fd, chan->in + chan->in_len, need - chan->in_len,
				 MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return -ENODATA;
		chan->in_len += (size_t)n;
	}
	return 1;
}

static void read_frames(struct hcd_chan *chan)
{
	struct hcd_frame frame;
	size_t need = 0;
	int r;

	for (int i = 0; i < FRAMES_PER_TURN && !chan->is_closing; i++) {
		while ((r = hcd_frame_parse(chan->in, chan->in_len,
					    chan->is_done ? HCD_FRAME_MAX : HCD_FRAME_AUTH_MAX,
					    &frame, &need)) == 0) {
			r = fill(chan, need);
			if (r == 0)
				return;
			if (r < 0)
				end_errno(chan, r);
			if (r < 0)
				return;
		}
		if (r < 0) {
			end(chan, HCD_REFUSE_PROTOCOL,
			    r == -EMSGSIZE ? "a frame is longer than allowed" :
					     "that is no frame of a hyperchaind");
			return;
		}
		chan->in_len = 0;
		if (chan->is_done) {
			user_frame(chan, &frame);
			continue;
		}
		handshake_frame(chan, &frame);
		if (chan->is_closing)
			return;
		r = flush(chan);
		if (r < 0) {
			end_errno(chan, r);
			return;
		}
		if (chan->hs.state != HCD_HS_DONE)
			continue;
		/* Not a byte more: it may be the module's. announce() comes when all is out. */
		if (chan->out_start == chan->out_len)
			announce(chan);
		return;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct hcd_chan *chan = poll->data;
	socklen_t len = sizeof(int);
	int r = 0, error = 0;

	/* libuv says EBADF for any error of the socket: the socket itself knows which. */
	if (status < 0 || chan->is_connecting) {
		if (getsockopt(chan->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
		r = error ? -error : status < 0 ? -ECONNRESET : 0;
	}
	if (r == 0 && chan->is_connecting) {
		chan->is_connecting = false;
		r = queue(chan, chan->first.bytes, chan->first.len);
	}
	if (r == 0)
		r = flush(chan);
	if (r < 0) {
		chan->error = chan->error ? chan->error : r;
		/* What came before it counts: the last word may be that this node was removed. */
		if (chan->is_done)
			read_frames(chan);
		if (!chan->is_closing)
			end_errno(chan, r);
		return;
	}
	if (!chan->is_done && chan->hs.state == HCD_HS_DONE) {
		if (chan->out_start == chan->out_len)
			announce(chan);
	} else if (events & UV_READABLE) {
		read_frames(chan);
	}
	if (!chan->is_closing)
		watch(chan);
}

static void on_timeout(uv_timer_t *timer)
{
	struct hcd_chan *chan = timer->data;

	end(chan, HCD_REFUSE_NONE,
	    chan->is_connecting ? "no answer from that address in time" :
				  "the handshake was not done in time");
}

/* Takes @fd, also on failure. */
static int create(uv_loop_t *loop, int fd, const struct hcd_chan_ops *ops, void *ctx,
		  struct hcd_chan **ret_chan)
{
	struct hcd_chan *chan = calloc(1, sizeof(*chan));
	int r, on = 1;

	if (!chan) {
		close(fd);
		return -ENOMEM;
	}
	chan->fd = fd;
	chan->ops = ops;
	chan->ctx = ctx;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = uv_poll_init(loop, &chan->poll, fd);
	if (r < 0) {
		close(fd);
		free(chan);
		return r;
	}
	uv_timer_init(loop, &chan->timer);
	chan->poll.data = chan->timer.data = chan;
	chan->nr_open = 2;
	uv_timer_start(&chan->timer, on_timeout, HCD_CHAN_TIMEOUT_MS, 0);
	*ret_chan = chan;
	return 0;
}

static int fresh_nonce(uint8_t nonce[HCD_NONCE_LEN])
{
	return getrandom(nonce, HCD_NONCE_LEN, 0) == HCD_NONCE_LEN ? 0 : -EIO;
}

int hcd_chan_dial(uv_loop_t *loop, const struct hcd_chan_dial *dial,
		  const struct hcd_chan_ops *ops, void *ctx, struct hcd_chan **ret_chan)
{
	struct sockaddr_storage to, from;
	uint8_t nonce[HCD_NONCE_LEN];
	struct hcd_chan *chan;
	socklen_t to_len, from_len;
	int fd, r;

	r = fresh_nonce(nonce);
	if (r < 0)
		return r;
	to_len = hcd_address_make(dial->address, dial->port, &to);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Also when that interface goes away: then nothing goes out, and not in the clear. */
	if (dial->device &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &dial->device, sizeof(int)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	if (dial->own_address[0]) {
		from_len = hcd_address_make(dial->own_address, 0, &from);
		/* Another family, or an address that is not there now: let the kernel choose. */
		if (from.ss_family == to.ss_family &&
		    bind(fd, (struct sockaddr *)&from, from_len) < 0 && errno != EADDRNOTAVAIL) {
			r = -errno;
			close(fd);
			return r;
		}
	}
	if (connect(fd, (struct sockaddr *)&to, to_len) < 0 && errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		return r;
	}
	r = create(loop, fd, ops, ctx, &chan);
	if (r < 0)
		return r;
	snprintf(chan->address, sizeof(chan->address), "%s", dial->address);
	chan->is_connecting = true;
	hcd_hs_dial(&chan->hs, dial->own, dial->to, dial->purpose, dial->conn, dial->psk,
		    dial->token, nonce, &chan->first);
	watch(chan);
	*ret_chan = chan;
	return 0;
}

int hcd_chan_accept(uv_loop_t *loop, int fd, uint32_t own,
		    const struct hcd_psk *(*find_psk)(const struct hcd_transcript *t,
						      const uint8_t *token, void *arg),
		    enum hcd_refusal (*admit)(const struct hcd_transcript *t,
					      char reason[HCD_REASON_LEN], void *arg),
		    void *admit_arg, const struct hcd_chan_ops *ops, void *ctx,
		    struct hcd_chan **ret_chan)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	uint8_t nonce[HCD_NONCE_LEN];
	struct hcd_chan *chan;
	int r;

	r = fresh_nonce(nonce);
	if (r < 0) {
		close(fd);
		return r;
	}
	getpeername(fd, (struct sockaddr *)&from, &len);
	r = create(loop, fd, ops, ctx, &chan);
	if (r < 0)
		return r;
	if (from.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&from)->sin_addr, chan->address,
			  sizeof(chan->address));
	else if (from.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&from)->sin6_addr, chan->address,
			  sizeof(chan->address));
	hcd_hs_accept(&chan->hs, own, NULL, nonce);
	chan->hs.find_psk = find_psk;
	chan->hs.admit = admit;
	chan->hs.admit_arg = admit_arg;
	watch(chan);
	*ret_chan = chan;
	return 0;
}

const struct hcd_transcript *hcd_chan_peer(const struct hcd_chan *chan)
{
	return &chan->hs.t;
}

const uint8_t *hcd_chan_token(const struct hcd_chan *chan)
{
	return chan->hs.token;
}

const char *hcd_chan_address(const struct hcd_chan *chan)
{
	return chan->address;
}

int hcd_chan_send(struct hcd_chan *chan, uint16_t type, const ProtobufCMessage *msg)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	uint8_t *bytes;
	int r;

	if (chan->is_closing)
		return -EPIPE;
	if (len + HCD_MAC_LEN > HCD_FRAME_MAX)
		return -EMSGSIZE;
	bytes = malloc(HCD_FRAME_HDR + len + HCD_MAC_LEN);
	if (!bytes)
		return -ENOMEM;
	hcd_frame_header(bytes, type, (uint16_t)chan->hs.t.version, (uint32_t)(len + HCD_MAC_LEN));
	protobuf_c_message_pack(msg, bytes + HCD_FRAME_HDR);
	r = hcd_auth_frame_mac(chan->tx_key, chan->tx_seq, bytes, bytes + HCD_FRAME_HDR, len,
			       bytes + HCD_FRAME_HDR + len);
	if (r == 0)
		r = queue(chan, bytes, HCD_FRAME_HDR + len + HCD_MAC_LEN);
	free(bytes);
	if (r < 0)
		return r;
	chan->tx_seq++;
	r = flush(chan);	/* an error is told at the next poll */
	if (r < 0 && !chan->error)
		chan->error = r;
	watch(chan);
	return 0;
}

void hcd_chan_set_user(struct hcd_chan *chan, const struct hcd_chan_ops *ops, void *ctx)
{
	chan->ops = ops;
	chan->ctx = ctx;
}

int hcd_chan_take(struct hcd_chan *chan)
{
	int fd = chan->fd;

	chan->fd = -1;
	detach(chan);
	return fd;
}

void hcd_chan_close(struct hcd_chan *chan)
{
	uint8_t rest[4096];
	int n = 0;

	if (chan->is_closing)
		return;
	flush(chan);
	/* Unread bytes make a reset of the close: the other end may miss our last word. */
	while (n < UNREAD_MAX && recv(chan->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		n++;
	detach(chan);
	close(chan->fd);
	chan->fd = -1;
}
