import { ActionIcon, Burger } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { useEffect } from "react";
import { DropAnywhere } from "../submit/DropAnywhere";
import { ColorSchemeSwitch } from "./ColorSchemeSwitch";
import { Navigation } from "./Navigation";
import classes from "./Shell.module.css";

/** The layout of every page: skip link, header, navigation, and the page as `main`. */
export function Shell() {
  const [opened, menu] = useDisclosure(false);
  const path = useLocation({ select: (location) => location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes when the page changes
  useEffect(menu.close, [path]);

  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">
        Skip to content
      </a>
      <header className={classes.header}>
        <Burger
          className={classes.burger}
          opened={opened}
          onClick={menu.toggle}
          size="sm"
          aria-label={opened ? "Close the navigation" : "Open the navigation"}
          aria-expanded={opened}
          aria-controls="navigation"
        />
        <Link to="/" className={classes.brand}>
          <img src="/favicon.svg" alt="" width={24} height={24} />
          Ocrstream
        </Link>
        <div className={classes.tools}>
          <ActionIcon
            variant="default"
            size="lg"
            aria-label="Search"
            renderRoot={(props) => <Link to="/search" {...props} />}
          >
            <IconSearch size={18} aria-hidden />
          </ActionIcon>
          <ColorSchemeSwitch />
        </div>
      </header>
      <nav
        id="navigation"
        className={classes.navigation}
        data-opened={opened || undefined}
        aria-label="Pages"
      >
        <Navigation />
      </nav>
      <main id="main" className={classes.main} tabIndex={-1}>
        <Outlet />
      </main>
      <DropAnywhere />
    </div>
  );
}
