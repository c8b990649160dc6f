import {
  IconCpu,
  IconListCheck,
  IconMailOff,
  IconPhotoUp,
  IconSearch,
  IconStack2,
} from "@tabler/icons-react";
import { Link, useLocation } from "@tanstack/react-router";
import classes from "./Shell.module.css";

const PAGES = [
  { to: "/", label: "Batches", icon: IconStack2, also: /^\/(batches|images)(\/|$)/ },
  { to: "/search", label: "Search", icon: IconSearch },
  { to: "/tasks", label: "Tasks", icon: IconListCheck, also: /^\/(tasks|chains)\// },
  { to: "/workers", label: "Workers", icon: IconCpu },
  { to: "/dead-letters", label: "Dead letters", icon: IconMailOff },
  { to: "/submit", label: "Submit", icon: IconPhotoUp },
] as const;

/** Links to the pages; the current one is marked. */
export function Navigation() {
  const path = useLocation({ select: (location) => location.pathname });
  return PAGES.map(({ to, label, icon: Icon, ...page }) => {
    const here = path === to || ("also" in page && page.also.test(path));
    return (
      <Link
        key={to}
        to={to}
        search={{}}
        className={classes.link}
        activeProps={{ "aria-current": undefined }}
        aria-current={here ? "page" : undefined}
      >
        <Icon size={18} aria-hidden />
        {label}
      </Link>
    );
  });
}
