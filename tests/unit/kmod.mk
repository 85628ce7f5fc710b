# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of kmod/policy (pure, built here with tests/shim in place of kernel headers).
KPOLICY_FLAGS		:= -Itests/shim -Ikmod -Iinclude -Iinclude/uapi

UNIT			+= test_hello test_map test_map_model test_shares test_placement test_wire_check
test_hello_SRC		:= kmod/policy/hello.c
test_hello_FLAGS	:= $(KPOLICY_FLAGS)
test_map_SRC		:= kmod/policy/map.c kmod/policy/slabs.c
test_map_FLAGS		:= $(KPOLICY_FLAGS)
test_map_model_SRC	:= tests/unit/map_recount.c kmod/policy/map.c kmod/policy/slabs.c kmod/policy/placement.c
test_map_model_FLAGS	:= $(KPOLICY_FLAGS)
test_shares_SRC		:= kmod/policy/map.c kmod/policy/slabs.c
test_shares_FLAGS	:= $(KPOLICY_FLAGS)
test_placement_SRC	:= kmod/policy/placement.c kmod/policy/map.c kmod/policy/slabs.c
test_placement_FLAGS	:= $(KPOLICY_FLAGS)
test_wire_check_SRC	:= kmod/policy/wire_check.c
test_wire_check_FLAGS	:= $(KPOLICY_FLAGS)

UNIT			+= test_move test_image test_ioctl
test_move_SRC		:= kmod/policy/move.c
test_move_FLAGS		:= $(KPOLICY_FLAGS)
test_image_SRC		:= kmod/policy/image.c
test_image_FLAGS	:= $(KPOLICY_FLAGS)
test_ioctl_SRC		:= kmod/policy/ioctl.c
test_ioctl_FLAGS	:= $(KPOLICY_FLAGS)

UNIT			+= test_shm_model
test_shm_model_SRC	:= kmod/policy/shm.c
test_shm_model_FLAGS	:= $(KPOLICY_FLAGS)

FUZZ			+= fuzz_wire
fuzz_wire_SRC		:= kmod/policy/wire_check.c kmod/policy/hello.c
fuzz_wire_FLAGS		:= $(KPOLICY_FLAGS)

# Every pure file is built here too, for `nm` in tests/lint/layering.py.
PURE			+= $(wildcard kmod/policy/*.c daemon/policy/*.c)
$(B)/pure/kmod/%.o: PURE_FLAGS := $(KPOLICY_FLAGS)
$(B)/pure/daemon/%.o: PURE_FLAGS := -I.
