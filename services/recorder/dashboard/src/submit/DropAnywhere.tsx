import { Overlay, Title } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useIngest } from "../api/ingest";
import { filesOf } from "./fileSelection";
import { uploads } from "./uploads";

/**
 * Accepts files dropped on any page and opens the submit page. Asks before the user leaves during
 * an upload.
 */
export function DropAnywhere() {
  const navigate = useNavigate();
  const isUnavailable = useIngest().unavailable !== undefined;
  const [over, setOver] = useState(false);
  useEffect(() => {
    // A drag fires enter and leave for each element that it passes.
    let depth = 0;
    const withFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const onEnter = (event: DragEvent) => {
      if (!withFiles(event)) return;
      depth += 1;
      setOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (!withFiles(event)) return;
      depth -= 1;
      if (depth <= 0) end();
    };
    const end = () => {
      depth = 0;
      setOver(false);
    };
    // Otherwise the browser would leave the page and open the file.
    const onOver = (event: DragEvent) => withFiles(event) && event.preventDefault();
    const onDrop = async (event: DragEvent) => {
      end();
      if (event.defaultPrevented || !withFiles(event) || event.dataTransfer === null) return;
      event.preventDefault();
      const files = await filesOf(event.dataTransfer);
      if (!isUnavailable && files.length > 0) uploads.add(files);
      navigate({ to: "/submit" });
    };
    const onLeavingPage = (event: BeforeUnloadEvent) => {
      if (uploads.state().phase === "sending") event.preventDefault();
    };
    window.addEventListener("beforeunload", onLeavingPage);
    window.addEventListener("dragenter", onEnter);
    window.addEventListener("dragleave", onLeave);
    window.addEventListener("dragover", onOver);
    window.addEventListener("drop", onDrop);
    return () => {
      window.removeEventListener("beforeunload", onLeavingPage);
      window.removeEventListener("dragenter", onEnter);
      window.removeEventListener("dragleave", onLeave);
      window.removeEventListener("dragover", onOver);
      window.removeEventListener("drop", onDrop);
    };
  }, [navigate, isUnavailable]);
  if (!over) return null;
  return (
    <Overlay fixed center blur={2} zIndex={400} style={{ pointerEvents: "none" }}>
      <Title order={2} c="white">
        {isUnavailable ? "Submitting is not available" : "Drop to submit"}
      </Title>
    </Overlay>
  );
}
