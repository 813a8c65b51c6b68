/** The icons of the buttons, drawn on a grid of 24. */
import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      viewBox="0 0 24 24"
      width="22"
      height="22"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.9"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

const MICROPHONE = (
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </>
);
const CAMERA = (
  <>
    <rect x="3" y="6.5" width="12.5" height="11" rx="2.5" />
    <path d="m15.5 11 5-3v8l-5-3" />
  </>
);
const SLASH = <path d="M4 4l16 16" />;

export const MicrophoneIcon = () => <Icon>{MICROPHONE}</Icon>;
export const MicrophoneOffIcon = () => (
  <Icon>
    {MICROPHONE}
    {SLASH}
  </Icon>
);
export const CameraIcon = () => <Icon>{CAMERA}</Icon>;
export const CameraOffIcon = () => (
  <Icon>
    {CAMERA}
    {SLASH}
  </Icon>
);
export const LeaveIcon = () => (
  <Icon>
    <path d="M2 15.2c0-1.3.5-2.5 1.5-3.3 4.9-4 12.1-4 17 0 1 .8 1.5 2 1.5 3.3v.9c0 .8-.7 1.4-1.5 1.3l-3.2-.5c-.7-.1-1.2-.7-1.2-1.4v-1.9a13 13 0 0 0-8.2 0v1.9c0 .7-.5 1.3-1.2 1.4l-3.2.5c-.8.1-1.5-.5-1.5-1.3z" />
  </Icon>
);
export const BanIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.5" />
    <path d="m6 6 12 12" />
  </Icon>
);
export const RecordIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.5" />
    <circle cx="12" cy="12" r="3.5" fill="currentColor" />
  </Icon>
);
export const LinkIcon = () => (
  <Icon>
    <path d="M10 14a4 4 0 0 0 6 .4l2.6-2.6a4 4 0 0 0-5.7-5.7l-1.4 1.4M14 10a4 4 0 0 0-6-.4l-2.6 2.6a4 4 0 0 0 5.7 5.7l1.4-1.4" />
  </Icon>
);
export const PeopleIcon = () => (
  <Icon>
    <circle cx="9" cy="8.5" r="3.5" />
    <path d="M2.5 19.5c.6-3.4 3.2-5.2 6.5-5.2s5.9 1.8 6.5 5.2M15.5 5.3a3.5 3.5 0 0 1 0 6.4M18 14.8c2 .7 3.2 2.3 3.5 4.7" />
  </Icon>
);
export const SettingsIcon = () => (
  <Icon>
    <path d="M4 7h9M17 7h3M4 17h3M11 17h9" />
    <circle cx="15" cy="7" r="2" />
    <circle cx="9" cy="17" r="2" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);
export const ChatIcon = () => (
  <Icon>
    <path d="M4.5 5h15a1.5 1.5 0 0 1 1.5 1.5v9a1.5 1.5 0 0 1-1.5 1.5H11l-4.5 3.5V17h-2A1.5 1.5 0 0 1 3 15.5v-9A1.5 1.5 0 0 1 4.5 5zM8 9.5h8M8 13h5" />
  </Icon>
);
export const SendIcon = () => (
  <Icon>
    <path d="M4 12 20 4.5 15.5 20l-3.8-6.3zM11.7 13.7 20 4.5" />
  </Icon>
);
export const ScreenIcon = () => (
  <Icon>
    <path d="M4.5 4.5h15A1.5 1.5 0 0 1 21 6v9.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15.5V6a1.5 1.5 0 0 1 1.5-1.5zM8.5 20.5h7M12 13.5v-6M9.3 10 12 7.3l2.7 2.7" />
  </Icon>
);
export const HandIcon = () => (
  <Icon>
    <path d="M7.5 12.5V6.3a1.4 1.4 0 0 1 2.8 0v4.9V4.6a1.4 1.4 0 0 1 2.8 0v6.6V5.8a1.4 1.4 0 0 1 2.8 0v6.4-3.4a1.4 1.4 0 0 1 2.8 0v6a6.5 6.5 0 0 1-6.4 6.4c-3 0-4.6-1.2-6.1-3.6l-2.6-4.2a1.4 1.4 0 0 1 2.3-1.5z" />
  </Icon>
);
export const SmileIcon = () => (
  <Icon>
    <><circle cx="12" cy="12" r="9" /><path d="M8.3 14.2a4.4 4.4 0 0 0 7.4 0M9 9.3v.2M15 9.3v.2" /></>
  </Icon>
);
export const MoreIcon = () => (
  <Icon>
    <path d="M5 12h.01M12 12h.01M19 12h.01" strokeWidth="3" />
  </Icon>
);
export const DotsIcon = () => (
  <Icon>
    <path d="M12 5h.01M12 12h.01M12 19h.01" strokeWidth="3" />
  </Icon>
);
export const LockIcon = () => (
  <Icon>
    <path d="M6.5 10.5h11A1.5 1.5 0 0 1 19 12v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19v-7a1.5 1.5 0 0 1 1.5-1.5zM8 10.5V7.7a4 4 0 0 1 8 0v2.8" />
  </Icon>
);
export const PauseIcon = () => (
  <Icon>
    <path d="M8 5v14M16 5v14" />
  </Icon>
);
export const ResumeIcon = () => (
  <Icon>
    <path d="M7.5 5v14l11-7z" />
  </Icon>
);
export const ExpandIcon = () => (
  <Icon>
    <path d="M4 9V4.5h4.5M20 9V4.5h-4.5M4 15v4.5h4.5M20 15v4.5h-4.5" />
  </Icon>
);
export const PinIcon = () => (
  <Icon>
    <path d="M9 3.5h6M10 3.5v6l-3 3.5v1.5h10V13l-3-3.5v-6M12 14.5V21" />
  </Icon>
);
export const HideIcon = () => (
  <Icon>
    <path d="M4 4l16 16M9.6 5.8A9.6 9.6 0 0 1 12 5.5c5 0 8.3 4.3 9.3 6.5a13 13 0 0 1-2.6 3.6M6.2 7.6A13.4 13.4 0 0 0 2.7 12c1 2.2 4.3 6.5 9.3 6.5a9.7 9.7 0 0 0 4.4-1.1M10 10.2a2.7 2.7 0 0 0 3.8 3.8" />
  </Icon>
);
export const ShowIcon = () => (
  <Icon>
    <path d="M2.7 12c1-2.2 4.3-6.5 9.3-6.5s8.3 4.3 9.3 6.5c-1 2.2-4.3 6.5-9.3 6.5S3.7 14.2 2.7 12z" />
    <circle cx="12" cy="12" r="2.7" />
  </Icon>
);
export const GridIcon = () => (
  <Icon>
    <rect x="3.5" y="4.5" width="7.5" height="6.5" rx="1.3" />
    <rect x="13" y="4.5" width="7.5" height="6.5" rx="1.3" />
    <rect x="3.5" y="13" width="7.5" height="6.5" rx="1.3" />
    <rect x="13" y="13" width="7.5" height="6.5" rx="1.3" />
  </Icon>
);
export const SpeakerViewIcon = () => (
  <Icon>
    <rect x="3.5" y="4.5" width="11.5" height="15" rx="1.6" />
    <path d="M18.5 5.5h2M18.5 12h2M18.5 18.5h2" strokeWidth="3" />
  </Icon>
);
export const PreviousIcon = () => (
  <Icon>
    <path d="m14.5 5.5-6.5 6.5 6.5 6.5" />
  </Icon>
);
export const NextIcon = () => (
  <Icon>
    <path d="m9.5 5.5 6.5 6.5-6.5 6.5" />
  </Icon>
);
export const VolumeIcon = () => (
  <Icon>
    <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />
  </Icon>
);
export const FlipCameraIcon = () => (
  <Icon>
    <path d="M4.5 10.5A8 8 0 0 1 19 7.5M19.5 3.5v4h-4M19.5 13.5A8 8 0 0 1 5 16.5M4.5 20.5v-4h4" />
    <circle cx="12" cy="12" r="2.6" />
  </Icon>
);
export const PictureIcon = () => (
  <Icon>
    <path d="M20.5 10V6.5A1.5 1.5 0 0 0 19 5H5a1.5 1.5 0 0 0-1.5 1.5v10A1.5 1.5 0 0 0 5 18h4.5" />
    <rect x="12.5" y="12.5" width="8.5" height="6.5" rx="1.3" />
  </Icon>
);
export const DiagnosticsIcon = () => (
  <Icon>
    <path d="M3 12.5h4l2.5-7 4.5 13 2.5-6H21" />
  </Icon>
);
export const CopyIcon = () => (
  <Icon>
    <rect x="8.5" y="8.5" width="12" height="12" rx="2" />
    <path d="M15.5 8.5V5.5a2 2 0 0 0-2-2h-8a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h3" />
  </Icon>
);
