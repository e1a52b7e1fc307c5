//! Fifteen ways in which real firewalls were walked around, or cut their hosts off. Each is a test of its
//! name.
//!
//! | | what went wrong | test | file |
//! | --- | --- | --- | --- |
//! | 1 | VLAN or QinQ frames pass unfiltered | `a_tagged_frame_meets_the_same_lists` | frames |
//! | 2 | later fragments read as if they had ports | `a_later_fragment_has_no_ports` | frames |
//! | 3 | an unknown protocol passes before the deny list is asked | `an_unknown_protocol_meets_the_deny_list_first` | frames |
//! | 4 | ICMPv6 taken for ICMP, extension headers not walked | `icmpv6_is_known_by_its_own_number_behind_extension_headers` | headers |
//! | 5 | the same address written another way | `an_address_written_another_way_is_the_same_address` | headers |
//! | 6 | truncated headers fail open and uncounted | `a_truncated_header_is_malformed_and_counted` | headers |
//! | 7 | a longer prefix of a weaker list shadows a stronger one | `a_longer_prefix_of_a_weaker_list_shadows_no_stronger_one` | lists |
//! | 8 | default deny breaks neighbour discovery, ARP or path MTU | `default_deny_leaves_the_link_alive` | live |
//! | 9 | half of the old and half of the new policy | `a_packet_is_judged_by_one_whole_policy` | live |
//! | 10 | a failed reload flushes the bans | `a_failed_reload_keeps_the_bans` | daemon |
//! | 11 | a pinned map of an old size or layout reused | `a_pinned_map_of_another_layout_is_made_anew` | daemon |
//! | 12 | state of an earlier configuration leaks | `nothing_of_an_earlier_configuration_leaks` | state |
//! | 13 | spoofed sources evict the limiter's state | `a_spoofed_flood_takes_no_bucket_from_a_client` | state |
//! | 14 | a receive offload strips the tag before XDP | `a_tag_stripped_before_the_program_changes_no_verdict`, `an_answer_has_the_tags_of_its_frame` | tags |
//! | 15 | a CIDR with host bits is taken as another network | `a_prefix_with_host_bits_is_refused_with_what_was_meant` | daemon |

/// What a frame hides.
mod frames;
/// What stands behind the IP header.
mod headers;
/// What a list hides.
mod lists;
/// What a change of the configuration and a flood leave of the state.
mod state;
/// Real links.
mod live;
/// Tags that are not in the frame.
mod tags;
/// The whole daemon.
mod daemon;
